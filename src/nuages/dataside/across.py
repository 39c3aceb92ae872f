"""Rows from one engine into another, by the project's own Python: read and written as the types that the models declare,
past the fields' own code (auto_now, encryption, signals), and compared afterwards. Python 3.8+.

The target is `alias` itself, so that routers see what they know; the source is another database beside it. Django's
migrations make the tables, and what they put into them goes before the rows come.
"""

from __future__ import annotations

import time

from across_compare import SHOWN, compare
from across_look import look
from across_tables import BATCH, SOURCE, RefusedError, both, entry_of, point, rows, tables_of


TOLD = 50_000


def copy(say, alias, source, target, migrate=True):
    from django.core.management import call_command
    from django.db import transaction

    old, new = both(alias, source, target)
    if migrate:
        say("making the tables")
        call_command("migrate", database=alias, interactive=False, verbosity=0)
    same_migrations(old, new)
    tables, left = tables_of(old, new)
    with transaction.atomic(using=SOURCE):
        if new.vendor == "sqlite":
            new.disable_constraint_checking()
        with transaction.atomic(using=alias), new.cursor() as cursor:
            again = without_triggers(new, cursor, tables)
            empty(new, cursor, tables)
            done = {table.name: fill(say, old, new, table) for table in tables}
            again()
            sequences(old, new, cursor, tables)
            new.check_constraints()
        if new.vendor == "sqlite":
            new.enable_constraint_checking()
        compared = compare(say, old, new, tables)
    old.close()
    new.close()
    return {"rows": sum(done.values()), "tables": compared, "left": left}


def same_migrations(old, new):
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(old)
    pending = ["%s.%s" % (m.app_label, m.name) for m, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if pending:
        shown = ", ".join(pending[:SHOWN])
        raise RefusedError("the old database lacks migrations of this code: %s; deploy them first" % shown)


def without_triggers(connection, cursor, tables):
    """Triggers would write what is copied anyway. What is returned brings them back."""
    if connection.vendor == "postgresql":
        quoted = [connection.ops.quote_name(t.name) for t in tables]
        for name in quoted:
            cursor.execute("ALTER TABLE %s DISABLE TRIGGER USER" % name)

        def again():
            # Rows that refer to others are checked first: a table that still has to be asked can't be altered.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for name in quoted:
                cursor.execute("ALTER TABLE %s ENABLE TRIGGER USER" % name)

        return again
    if connection.vendor == "sqlite":
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found = cursor.fetchall()
        for name, _sql in found:
            cursor.execute("DROP TRIGGER %s" % connection.ops.quote_name(name))
        return lambda: [cursor.execute(sql) for _name, sql in found]
    return lambda: None


def empty(connection, cursor, tables):
    """Of what migrations put there: content types, permissions, rows of their own."""
    names = [connection.ops.quote_name(t.name) for t in tables]
    if connection.vendor == "postgresql" and names:
        cursor.execute("TRUNCATE %s" % ", ".join(names))
        return
    for name in names:
        cursor.execute("DELETE FROM %s" % name)


def fill(say, old, new, table):
    started, number = time.monotonic(), 0

    def told():
        nonlocal number
        for row in rows(old, table):
            number += 1
            if number % TOLD == 0:
                say("%s: %d rows" % (table.label, number))
            try:
                yield [c.write(v, new) for c, v in zip(table.columns, row)]  # noqa: B905
            except (ValueError, TypeError, ArithmeticError) as error:
                raise RefusedError("%s: a value can't be written: %s: %s" % (table.label, row[:3], error))

    try:
        insert(new, table, told())
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError("%s: %s" % (table.label, str(error).strip().splitlines()[0]))
    if number:
        say("%s: %d rows, %.1f s" % (table.label, number, time.monotonic() - started))
    return number


def insert(new, table, values):
    into = "%s (%s)" % (new.ops.quote_name(table.name), table.listed(new))
    with new.cursor() as cursor:
        raw = getattr(cursor, "cursor", None)
        if new.vendor == "postgresql" and hasattr(raw, "copy"):
            with raw.copy("COPY %s FROM STDIN" % into) as copying:
                for row in values:
                    copying.write_row(row)
            return
        marks = ", ".join(["%s"] * len(table.columns))
        statement, batch = "INSERT INTO %s VALUES (%s)" % (into, marks), []
        for row in values:
            batch.append(row)
            if len(batch) == BATCH:
                cursor.executemany(statement, batch)
                batch = []
        if batch:
            cursor.executemany(statement, batch)


def sequences(old, new, cursor, tables):
    """The next number of each table is one that was never given out, also where its last rows are gone."""
    from django.core.management.color import no_style

    models = [t.model for t in tables if t.model is not None]
    for statement in new.ops.sequence_reset_sql(no_style(), models):
        cursor.execute(statement)
    if new.vendor != "postgresql":
        return
    for table, last in last_numbers(old).items():
        model = next((t.model for t in tables if t.name == table and t.model is not None), None)
        if model is None or model._meta.auto_field is None:
            continue
        column = model._meta.auto_field.column
        cursor.execute(
            "SELECT setval(s, GREATEST(%%s, (SELECT COALESCE(MAX(%s), 1) FROM %s))) FROM pg_get_serial_sequence(%%s, %%s) AS s WHERE s IS NOT NULL"
            % (new.ops.quote_name(column), new.ops.quote_name(table)),
            [last, new.ops.quote_name(table), column],
        )


def last_numbers(old):
    with old.cursor() as cursor:
        if old.vendor == "sqlite":
            cursor.execute("SELECT name, seq FROM sqlite_sequence WHERE seq > 0")
        elif old.vendor == "mysql":
            if not old.mysql_is_mariadb and old.mysql_version >= (8, 0):  # MySQL 8 remembers what it told, for a day
                cursor.execute("SET SESSION information_schema_stats_expiry = 0")
            cursor.execute(
                "SELECT TABLE_NAME, AUTO_INCREMENT - 1 FROM information_schema.TABLES "
                "WHERE TABLE_SCHEMA = DATABASE() AND AUTO_INCREMENT > 1"
            )
        else:
            return {}
        return dict(cursor.fetchall())


def migrate(say, alias, source):
    """The source itself, a copy of somebody's, to where this code is."""
    from django.core.management import call_command
    from django.db import connections

    point(connections, alias, entry_of(connections, alias, source))
    call_command("migrate", database=alias, interactive=False, verbosity=0)
    connections[alias].close()
    return {}


def main(wish, say):
    verb = wish.pop("verb")
    return {"look": look, "copy": copy, "migrate": migrate}[verb](say, **wish)
