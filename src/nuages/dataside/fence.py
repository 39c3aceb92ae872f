"""A database that is moved elsewhere takes no more writes, from whomever: each fails, and none is lost unseen."""

from __future__ import annotations

import fence_mysql


WORD = "nuages_moved"
SAID = "this database has been moved: nuages db convert"


def up(cursor, quote):
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    tables = [
        name for name, sql in cursor.fetchall() if not name.startswith("sqlite_") and "VIRTUAL" not in (sql or "").upper()[:20]
    ]
    for table in tables:
        for word in ("INSERT", "UPDATE", "DELETE"):
            trigger = quote("%s_%s_%s" % (WORD, word.lower(), table))
            statement = "CREATE TRIGGER IF NOT EXISTS %s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, '%s'); END"
            cursor.execute(statement % (trigger, word, quote(table), SAID))
    return len(tables)


def down(cursor, quote):
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%s%%'" % WORD)
    names = [row[0] for row in cursor.fetchall()]
    for name in names:
        cursor.execute("DROP TRIGGER %s" % quote(name))
    return len(names)


def main(wish, say):
    from django.db import connections, transaction

    connection = connections[wish["alias"]]
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            number = fence_mysql.up(connection, cursor) if wish["up"] else fence_mysql.down(cursor, connection.ops.quote_name)
        connection.close()
        return {"fenced": number}
    if connection.vendor != "sqlite":
        return {"fenced": 0}
    with transaction.atomic(using=wish["alias"]), connection.cursor() as cursor:
        number = (up if wish["up"] else down)(cursor, connection.ops.quote_name)
    connection.close()
    return {"fenced": number}
