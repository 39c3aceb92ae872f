"""Carry out the statements of a scrub in a copy of the database, by the project's own Python and connection. Python 3.8+.

The copy of PostgreSQL has rows, and neither indexes, foreign keys nor triggers yet: those come after, made from what is
there then. SQLite's has them all, so its triggers are set aside, and what it remembers of values (sqlite_stat4) goes.
"""

from __future__ import annotations

import time

import scrub_words


class RefusedError(Exception):
    pass


def enter(alias, name):
    from django.db import connections

    connection = connections[alias]
    connection.close()
    connection.settings_dict["NAME"] = name
    connection.ensure_connection()
    return connection


def scrub(say, alias, name, statements, key, to=""):
    connection = enter(alias, name)
    begun = begin_sqlite if connection.vendor == "sqlite" else begin_postgresql
    ended = end_sqlite if connection.vendor == "sqlite" else end_postgresql
    with connection.cursor() as cursor:
        put_aside = begun(connection, cursor, key)
        rows = sum(carry_out(say, cursor, each) for each in statements)
        ended(connection, cursor, put_aside, to)
    connection.close()
    return {"rows": rows, "statements": len(statements)}


def carry_out(say, cursor, each):
    started = time.monotonic()
    try:
        # A stray % is none of ours: no parameters, no placeholders.
        cursor.execute(each["sql"])
    except Exception as error:
        raise RefusedError("%s: %s: %s" % (each["table"], each["what"], str(error).strip().splitlines()[0]))
    number = max(0, cursor.rowcount)
    say("scrubbed %s: %s; %d rows, %.1f s" % (each["table"], each["what"], number, time.monotonic() - started))
    return number


def begin_postgresql(connection, cursor, key):
    cursor.execute("SELECT set_config('nuages.key', %s, false)", [key])
    cursor.execute("SET standard_conforming_strings = on; SET synchronous_commit = off")
    cursor.execute("SET jit = off")
    cursor.execute(scrub_words.for_postgresql())


def end_postgresql(connection, cursor, _put_aside, _to):
    cursor.execute("DROP SCHEMA nuages_scrub CASCADE")


def begin_sqlite(connection, cursor, key):
    raw = connection.connection
    words = scrub_words.Words(key)
    for name, arguments in scrub_words.ARGUMENTS.items():
        raw.create_function(name, arguments, strict(getattr(words, name)))
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.execute("PRAGMA ignore_check_constraints = OFF")
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = cursor.fetchall()
    for name, _sql in triggers:
        cursor.execute("DROP TRIGGER %s" % quoted(name))
    return [sql for _name, sql in triggers]


def strict(function):
    def of(value, *rest):
        return None if value is None else function(value if isinstance(value, str) else str(value), *rest)

    return of


def end_sqlite(connection, cursor, triggers, to):
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    tables = cursor.fetchall()
    for name, sql in tables:
        if name.startswith("sqlite_stat"):
            cursor.execute("DELETE FROM %s" % quoted(name))
        made = (sql or "").lower().partition("(")[0]
        if made.startswith("create virtual") and "fts" in made:
            # An index of words is built again, of what is there now; one without a table of its own loses them.
            try:
                if "content=" not in sql.replace(" ", ""):
                    cursor.execute("DELETE FROM %s" % quoted(name))
                cursor.execute("INSERT INTO %s(%s) VALUES ('rebuild')" % (quoted(name), quoted(name)))
            except Exception as error:
                raise RefusedError("the full-text table %s can't be built again: %s" % (name, error))
    cursor.execute("PRAGMA foreign_key_check")
    lost = cursor.fetchall()
    if lost:
        raise RefusedError("%s refers to rows of %s that are not there any more" % (lost[0][0], lost[0][2]))
    for sql in triggers:
        cursor.execute(sql)
    cursor.execute("VACUUM INTO %s", [to])


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def main(wish, say):
    return scrub(say, **wish)
