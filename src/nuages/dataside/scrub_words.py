"""The words that scrubbing is made of, for PostgreSQL as functions of its own and for SQLite as Python's. Python 3.8+.

Every value is drawn from SHA-256 of a random key of this run and the value: equal values stay equal, so that joins and
unique columns hold, and without the key, which nobody keeps, none can be traced back or compared with another run's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json


FIRST = (
    "Ada Alan Amal Anna Ben Bo Chen Clara Dara Eli Emma Esra Femi Finn Gita Hana Hugo Ines Ivan Jana Juno Kai Lea Leon Lina "
    "Luca Maja Mira Nils Noor Olga Omar Pia Quin Rosa Sami Tara Uma Vera Yuki"
).split()
LAST = (
    "Acker Baum Costa Dahl Evans Fabre Gruber Haas Ito Jansen Keller Lund Meyer Novak Okafor Petit Quist Rossi Silva Tanaka "
    "Ueda Vogel Weber Xu Young Zeman Alder Birch Cedar Elm Fir Hazel Iris Laurel Maple Oak Pine Rowan Sage Yew"
).split()
STREETS = "Alder Birch Cedar Elm Fir Hazel Laurel Maple Oak Pine Rowan Willow".split()

POSTGRESQL = """
CREATE SCHEMA nuages_scrub;
CREATE FUNCTION nuages_scrub.hex(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT encode(sha256(convert_to(current_setting('nuages.key') || v, 'UTF8')), 'hex') $$;
CREATE FUNCTION nuages_scrub.number(h text, n int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (('x' || h)::bit(32)::bigint %% n)::int $$;
CREATE FUNCTION nuages_scrub.scrub_hash(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT left(nuages_scrub.hex(v), least(m, 64)) $$;
CREATE FUNCTION nuages_scrub.scrub_email(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT 'u' || left(nuages_scrub.hex(v), least(20, m - 17)) || '@example.invalid' $$;
CREATE FUNCTION nuages_scrub.scrub_username(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT 'u' || left(nuages_scrub.hex(v), least(20, m - 1)) $$;
CREATE FUNCTION nuages_scrub.scrub_first_name(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT left((ARRAY[%(first)s])[1 + nuages_scrub.number(substr(nuages_scrub.hex(v), 1, 8), %(firsts)s)], m) $$;
CREATE FUNCTION nuages_scrub.scrub_last_name(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT left((ARRAY[%(last)s])[1 + nuages_scrub.number(substr(nuages_scrub.hex(v), 9, 8), %(lasts)s)], m) $$;
CREATE FUNCTION nuages_scrub.scrub_name(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT left(nuages_scrub.scrub_first_name(v, 99) || ' ' || nuages_scrub.scrub_last_name(v, 99), m) $$;
CREATE FUNCTION nuages_scrub.scrub_address(v text, m int) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT left((1 + nuages_scrub.number(substr(nuages_scrub.hex(v), 1, 8), 199))::text || ' '
       || (ARRAY[%(street)s])[1 + nuages_scrub.number(substr(nuages_scrub.hex(v), 9, 8), %(streets)s)] || ' Street', m) $$;
CREATE FUNCTION nuages_scrub.scrub_phone(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT '+447700900' || lpad(nuages_scrub.number(substr(nuages_scrub.hex(v), 1, 8), 1000)::text, 3, '0') $$;
CREATE FUNCTION nuages_scrub.scrub_password(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT '!scrubbed' $$;
CREATE FUNCTION nuages_scrub.scrub_ip4(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT '198.18.' || nuages_scrub.number(substr(nuages_scrub.hex(v), 1, 8), 256) || '.'
       || nuages_scrub.number(substr(nuages_scrub.hex(v), 9, 8), 256) $$;
CREATE FUNCTION nuages_scrub.scrub_ip6(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT '2001:db8:' || substr(h, 1, 4) || ':' || substr(h, 5, 4) || ':' || substr(h, 9, 4) || ':' || substr(h, 13, 4)
       || ':' || substr(h, 17, 4) || ':' || substr(h, 21, 4) FROM nuages_scrub.hex(v) AS h $$;
CREATE FUNCTION nuages_scrub.scrub_digits(v text) RETURNS text LANGUAGE sql STABLE STRICT AS
  $$ SELECT string_agg(CASE WHEN c BETWEEN '0' AND '9' AND c ~ '^[0-9]$'
       THEN CASE WHEN n = 1 THEN (1 + ascii(substr(h, 1, 1)) %% 9)::text ELSE (ascii(substr(h, 1 + (n::int - 1) %% 64, 1)) %% 10)::text END
       ELSE c END, '' ORDER BY n)
     FROM nuages_scrub.hex(v) AS h, regexp_split_to_table(v, '') WITH ORDINALITY AS t(c, n) $$;
CREATE FUNCTION nuages_scrub.scrub_days(v text, m int) RETURNS int LANGUAGE sql STABLE STRICT AS
  $$ SELECT (1 + nuages_scrub.number(substr(nuages_scrub.hex(v), 1, 8), m))
       * CASE WHEN nuages_scrub.number(substr(nuages_scrub.hex(v), 9, 8), 2) = 0 THEN -1 ELSE 1 END $$;
CREATE FUNCTION nuages_scrub.scrub_json(v jsonb, keys text[]) RETURNS jsonb LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
  IF jsonb_typeof(v) = 'object' THEN
    RETURN coalesce((SELECT jsonb_object_agg(e.key, nuages_scrub.scrub_json(e.value, keys))
                     FROM jsonb_each(v) AS e WHERE NOT lower(e.key) = ANY (keys)), '{}');
  ELSIF jsonb_typeof(v) = 'array' THEN
    RETURN coalesce((SELECT jsonb_agg(nuages_scrub.scrub_json(e.value, keys) ORDER BY n)
                     FROM jsonb_array_elements(v) WITH ORDINALITY AS e(value, n)), '[]');
  END IF;
  RETURN v;
END $$;
"""


def for_postgresql():
    def listed(words):
        return ", ".join("'%s'" % word for word in words)

    return POSTGRESQL % {
        "first": listed(FIRST),
        "firsts": len(FIRST),
        "last": listed(LAST),
        "lasts": len(LAST),
        "street": listed(STREETS),
        "streets": len(STREETS),
    }


class Words:
    """For SQLite: functions by name, each with the number of its arguments."""

    def __init__(self, key):
        self.key = key

    def hex(self, value):
        return hashlib.sha256((self.key + value).encode("utf-8", "surrogatepass")).hexdigest()

    def number(self, value, at, below):
        return int(self.hex(value)[at : at + 8], 16) % below

    def scrub_hash(self, value, most):
        return self.hex(value)[: min(most, 64)]

    def scrub_email(self, value, most):
        return "u" + self.hex(value)[: min(20, most - 17)] + "@example.invalid"

    def scrub_username(self, value, most):
        return "u" + self.hex(value)[: min(20, most - 1)]

    def scrub_first_name(self, value, most):
        return FIRST[self.number(value, 0, len(FIRST))][:most]

    def scrub_last_name(self, value, most):
        return LAST[self.number(value, 8, len(LAST))][:most]

    def scrub_name(self, value, most):
        return ("%s %s" % (self.scrub_first_name(value, 99), self.scrub_last_name(value, 99)))[:most]

    def scrub_address(self, value, most):
        return ("%d %s Street" % (1 + self.number(value, 0, 199), STREETS[self.number(value, 8, len(STREETS))]))[:most]

    def scrub_phone(self, value):
        return "+447700900%03d" % self.number(value, 0, 1000)

    def scrub_password(self, value):
        return "!scrubbed"

    def scrub_ip4(self, value):
        return "198.18.%d.%d" % (self.number(value, 0, 256), self.number(value, 8, 256))

    def scrub_ip6(self, value):
        digits = self.hex(value)
        return "2001:db8:" + ":".join(digits[i : i + 4] for i in range(0, 24, 4))

    def scrub_digits(self, value):
        digits = self.hex(value)

        def other(i, c):
            if c not in "0123456789":
                return c
            return str(1 + ord(digits[0]) % 9 if i == 0 else ord(digits[i % 64]) % 10)

        return "".join(other(i, c) for i, c in enumerate(value))

    def scrub_date(self, value, most):
        """The text that Django keeps in SQLite, with its time of day."""
        if value is None:
            return None
        days = (1 + self.number(value, 0, most)) * (-1 if self.number(value, 8, 2) == 0 else 1)
        day = dt.date.fromisoformat(value[:10]) + dt.timedelta(days=days)
        return day.isoformat() + value[10:]

    def scrub_json(self, value, keys):
        """Without those keys, however deep; with "" for keys, without anything."""
        if value is None:
            return None
        data = json.loads(value)
        if not keys:
            return "[]" if isinstance(data, list) else "{}"
        return json.dumps(without(data, {key.strip().lower() for key in keys.split(",")}))


def without(data, keys):
    if isinstance(data, dict):
        return {key: without(value, keys) for key, value in data.items() if key.lower() not in keys}
    return [without(each, keys) for each in data] if isinstance(data, list) else data


ARGUMENTS = {
    "scrub_hash": 2,
    "scrub_email": 2,
    "scrub_username": 2,
    "scrub_first_name": 2,
    "scrub_last_name": 2,
    "scrub_name": 2,
    "scrub_address": 2,
    "scrub_phone": 1,
    "scrub_password": 1,
    "scrub_ip4": 1,
    "scrub_ip6": 1,
    "scrub_digits": 1,
    "scrub_date": 2,
    "scrub_json": 2,
}
