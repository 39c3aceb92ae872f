"""Is a copy what it was made from? Rows and a sum of what is in them, whatever their order. Python 3.8+."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import uuid

from across_tables import Column, RefusedError, Table, rows


SHOWN = 8


def compare(say, old, new, tables):
    """Rows and a sum of what is in them, whatever their order. Raises RefusedError with all that differs."""
    wrong, told = [], {}
    for table in tables:
        before, after = digest(old, table), digest(new, at(new, table))
        told[table.name] = before[0]
        if before != after:
            what = "%d rows became %d" % (before[0], after[0]) if before[0] != after[0] else "their contents differ"
            wrong.append("%s: %s" % (table.label, what))
    wrong += lagging(new, tables)
    if wrong:
        raise RefusedError("the copy is not what it was made from: " + "; ".join(wrong[:SHOWN]))
    say("compared: %d tables, %d rows, each value" % (len(told), sum(told.values())))
    return told


def at(connection, table):
    """The same table, as this connection reads it."""
    return Table(table.name, [Column(c.name, c.field, connection) for c in table.columns], table.label, table.model)


def digest(connection, table):
    number, total = 0, 0
    columns = [c for c in table.columns if c.field is not None]
    places = [i for i, c in enumerate(table.columns) if c.field is not None]
    for row in rows(connection, table):
        number += 1
        said = "\x1f".join([plain(row[i], c) for i, c in zip(places, columns)])  # noqa: B905
        total += int.from_bytes(hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return number, total % 2**64


def plain(value, column):  # noqa: PLR0911 - one for each type
    if value is None:
        return "\x00"
    if column.json:
        return json.dumps(json.loads(value) if isinstance(value, (str, bytes)) else value, sort_keys=True)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.timezone.utc).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return value.hex if isinstance(value, uuid.UUID) else repr(value) if isinstance(value, float) else str(value)


def lagging(new, tables):
    wrong = []
    if new.vendor != "postgresql":
        return wrong
    with new.cursor() as cursor:
        for table in tables:
            auto = table.model._meta.auto_field if table.model is not None else None
            if auto is None:
                continue
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [new.ops.quote_name(table.name), auto.column])
            sequence = cursor.fetchone()[0]
            if sequence:
                quoted = (new.ops.quote_name(auto.column), new.ops.quote_name(table.name), sequence)
                cursor.execute("SELECT (SELECT MAX(%s) FROM %s), last_value FROM %s" % quoted)
                top, last = cursor.fetchone()
                if top is not None and top > last:
                    wrong.append("%s: its next number, %d, is taken" % (table.label, last + 1))
    return wrong
