"""MySQL's and MariaDB's part of the fence: a trigger before each write of each table, which fails it. Python 3.8+.

To make a trigger waits for every transaction that has touched its table: once all are there, nothing is half written.
What they can't refuse is TRUNCATE and changes of the tables themselves.
"""

from __future__ import annotations

import hashlib


WORD = "nuages_moved"
SAID = "this database has been moved: nuages db convert"
WAIT = 30  # seconds for transactions of others; the server's own patience is a day
DENIED, BINARY_LOG, NO_TABLE, BUSY = 1142, 1419, 1146, 1205


class RefusedError(Exception):
    pass


def lacks(cursor):
    """Why no trigger could be made here; "" where one can. It asks for one of a table that is not there, so none is made."""
    from django.db.utils import DatabaseError

    try:
        cursor.execute("CREATE TRIGGER %s_probe BEFORE INSERT ON %s_no_such_table FOR EACH ROW SET @nuages = 1" % (WORD, WORD))
    except DatabaseError as error:
        return "" if error.args and error.args[0] == NO_TABLE else why(cursor, error)
    return ""


def why(cursor, error):
    number = error.args[0] if error.args else 0
    if number == DENIED:
        cursor.execute("SELECT DATABASE(), CURRENT_USER()")
        name, user = cursor.fetchone()
        account, _at, host = user.rpartition("@")
        return "its user may not make triggers: GRANT TRIGGER ON `%s`.* TO '%s'@'%s'" % (name, account, host)
    if number == BINARY_LOG:
        return "its server takes triggers of nobody but root: SET GLOBAL log_bin_trust_function_creators = 1"
    if number == BUSY:
        return "somebody's transaction has been open for more than %d s: SHOW FULL PROCESSLIST" % WAIT
    return str(error.args[-1] if error.args else error)


def up(connection, cursor):
    """All or none: each trigger is there at once, and no transaction takes it back."""
    from django.db.utils import DatabaseError

    cursor.execute("SET SESSION lock_wait_timeout = %d" % WAIT)
    tables, quote = connection.introspection.table_names(cursor), connection.ops.quote_name
    down(cursor, quote)
    try:
        for table in tables:
            for word in ("INSERT", "UPDATE", "DELETE"):
                statement = "CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '%s'"
                cursor.execute(statement % (quote(name_of(table, word)), word, quote(table), SAID))
    except DatabaseError as error:
        reason = why(cursor, error)
        down(cursor, quote)
        raise RefusedError("the old database can't be closed to writes: %s" % reason)
    return len(tables)


def name_of(table, word):
    """Not the table's own: together they would be longer than the 64 characters of a name."""
    return "%s_%s_%s" % (WORD, word.lower(), hashlib.sha256(table.encode()).hexdigest()[:16])


def down(cursor, quote):
    cursor.execute(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND LEFT(TRIGGER_NAME, %d) = '%s'"
        % (len(WORD), WORD)
    )
    names = [row[0] for row in cursor.fetchall()]
    for name in names:
        cursor.execute("DROP TRIGGER IF EXISTS %s" % quote(name))
    return len(names)
