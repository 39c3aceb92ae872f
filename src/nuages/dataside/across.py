"""Rows from one engine into another, by the project's own Python: read and written as the types that the models declare,
past the fields' own code (auto_now, encryption, signals), and compared afterwards. Python 3.8+.

The target is `alias` itself, so that routers see what they know; the source is another database beside it. Django's
migrations make the tables, and what they put into them goes before the rows come.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import time
import uuid


SOURCE = "nuages_source"
BATCH = 2000
TOLD = 50_000
SHOWN = 8
RANGES = {"SmallIntegerField": 2**15, "IntegerField": 2**31, "BigIntegerField": 2**63}
POSITIVE = {"PositiveSmallIntegerField": 2**15, "PositiveIntegerField": 2**31, "PositiveBigIntegerField": 2**63}


class RefusedError(Exception):
    pass


# --- where it comes from, and where it goes ----------------------------------------------------------------------


def point(connections, alias, entry):
    """A connection under this name to that database: what Django would make of it in settings."""
    settings = connections.settings if hasattr(connections, "settings") else connections.databases
    if alias in settings and alias in connections:
        connections[alias].close()
        if hasattr(connections._connections, alias):
            delattr(connections._connections, alias)
    settings[alias] = entry
    if hasattr(connections, "configure_settings"):
        connections.configure_settings(settings)
    else:
        connections.ensure_defaults(alias)
        connections.prepare_test_settings(alias)
    return connections[alias]


def entry_of(connections, alias, told):
    """`told`: {"sqlite": path}, {"name": of another database of the same server}, or {} for the one that is configured."""
    if "sqlite" in told:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": told["sqlite"], "OPTIONS": {"timeout": 60}}
    if "entry" in told:
        return dict(told["entry"])
    entry = dict(connections[alias].settings_dict)
    entry["NAME"] = told.get("name") or entry["NAME"]
    return entry


def both(alias, source, target):
    from django.db import connections

    before = entry_of(connections, alias, source)
    after = entry_of(connections, alias, target)
    return point(connections, SOURCE, before), point(connections, alias, after)


# --- tables and columns --------------------------------------------------------------------------------------------


class Column:
    """`field` stands for the type alone: the declared one may do things of its own to values."""

    def __init__(self, name, field=None, source=None):
        self.name, self.field = name, field
        self.raw = field is None or field.get_internal_type() == "JSONField"
        self.json = field is not None and field.get_internal_type() == "JSONField"
        self.converters = []
        if not self.raw:
            column = field.get_col("t")
            self.converters = [*source.ops.get_db_converters(column), *field.get_db_converters(source)]
        self.expression = None if self.raw else column

    def read(self, value, connection):
        for convert in self.converters:
            value = convert(value, self.expression, connection)
        return value

    def write(self, value, connection):
        if value is None or self.raw:
            return value
        if isinstance(value, memoryview):
            value = bytes(value)
        return self.field.get_db_prep_value(value, connection, prepared=False)


def stand_in(field):
    """A field of Django's own with the same type in the database, or None where Django has none."""
    from django.db import models

    while field.is_relation and getattr(field, "target_field", None) is not None and field.target_field is not field:
        field = field.target_field
    kind = field.get_internal_type()
    kind = {"AutoField": "IntegerField", "BigAutoField": "BigIntegerField", "SmallAutoField": "SmallIntegerField"}.get(kind, kind)
    kind = {"FileField": "CharField", "FilePathField": "CharField", "SlugField": "CharField", "ForeignKey": "IntegerField"}.get(
        kind, kind
    )
    made = getattr(models, kind, None)
    if made is None or not issubclass(made, models.Field):
        return None
    if kind == "DecimalField":
        found = made(max_digits=field.max_digits, decimal_places=field.decimal_places)
    elif kind == "CharField":
        found = made(max_length=field.max_length)
    else:
        found = made()
    found.set_attributes_from_name("value")
    found.model = field.model
    return found


class Table:
    def __init__(self, name, columns, label="", model=None):
        self.name, self.columns, self.label, self.model = name, columns, label or name, model

    def listed(self, connection):
        return ", ".join(connection.ops.quote_name(c.name) for c in self.columns)


def names_in(connection, table, cursor):
    return [row.name for row in connection.introspection.get_table_description(cursor, table)]


def tables_of(source, target):
    """Those that both have. The order is the models': what is referred to comes first where that is possible."""
    from django.apps import apps
    from django.db import router

    with source.cursor() as one, target.cursor() as other:
        here, there = set(source.introspection.table_names(one)), set(target.introspection.table_names(other))
        found, known = [], {"django_migrations"}
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            name = meta.db_table
            if meta.proxy or meta.swapped or name in known or not router.allow_migrate_model(target.alias, model):
                continue
            known.add(name)
            if name in here and name in there:
                found.append(table_of(source, target, model, one, other))
            elif name in here and meta.managed:
                raise RefusedError("the table %s was not made in the new database" % name)
        for name in sorted((here & there) - known):
            columns = [n for n in names_in(source, name, one) if n in names_in(target, name, other)]
            found.append(Table(name, [Column(n) for n in columns]))
        left = [name for name in sorted(here - there - known) if count(source, name)]
    return found, left


def table_of(source, target, model, one, other):
    here, there = names_in(source, model._meta.db_table, one), set(names_in(target, model._meta.db_table, other))
    fields = {f.column: f for f in model._meta.local_concrete_fields if f.column}
    lacking = [c for c, f in fields.items() if c not in here and not getattr(f, "generated", False)]
    if lacking:
        what = "%s has no column %s yet: deploy its migrations first" % (model._meta.db_table, ", ".join(lacking))
        raise RefusedError(what)
    columns = []
    for name in here:
        field = fields.get(name)
        if name in there and not getattr(field, "generated", False):
            columns.append(Column(name, stand_in(field) if field else None, source))
    return Table(model._meta.db_table, columns, model._meta.label, model)


def count(connection, table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM %s" % connection.ops.quote_name(table))
        return cursor.fetchone()[0]


def rows(connection, table, converted=True):
    """As Python's values of the declared types."""
    sql = "SELECT %s FROM %s" % (table.listed(connection), connection.ops.quote_name(table.name))
    columns = table.columns
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while True:
            batch = cursor.fetchmany(BATCH)
            if not batch:
                return
            for row in batch:
                try:
                    yield [c.read(v, connection) if c.converters else v for c, v in zip(columns, row)]  # noqa: B905
                except (ValueError, TypeError, ArithmeticError, LookupError) as error:
                    raise RefusedError("%s: a value can't be read: %s: %s" % (table.label, list(row)[:3], error))


# --- copy ----------------------------------------------------------------------------------------------------------


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
            cursor.execute(
                "SELECT TABLE_NAME, AUTO_INCREMENT - 1 FROM information_schema.TABLES "
                "WHERE TABLE_SCHEMA = DATABASE() AND AUTO_INCREMENT > 1"
            )
        else:
            return {}
        return dict(cursor.fetchall())


# --- compare -------------------------------------------------------------------------------------------------------


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


# --- before anything ----------------------------------------------------------------------------------------------


def look(say, alias, source):
    """What PostgreSQL would refuse, found before anything is changed."""
    from django.apps import apps
    from django.db import connections, router

    old = point(connections, SOURCE, entry_of(connections, alias, source))
    wrong, total, tables, size = [], 0, 0, 0
    with old.cursor() as cursor:
        here = set(old.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if meta.proxy or meta.swapped or meta.db_table not in here or not router.allow_migrate_model(alias, model):
                continue
            here.discard(meta.db_table)
            tables += 1
            total += count(old, meta.db_table)
            for field in meta.local_concrete_fields:
                wrong += problems(old, cursor, meta, field)
        if old.vendor == "sqlite":
            cursor.execute("PRAGMA foreign_key_check")
            wrong += sorted({"%s: rows that refer to %s which are not there" % (r[0], r[2]) for r in cursor.fetchall()})
            cursor.execute("PRAGMA page_count")
            pages = cursor.fetchone()[0]
            cursor.execute("PRAGMA page_size")
            size = pages * cursor.fetchone()[0]
    unnamed = [name for name in sorted(here) if name != "django_migrations" and count(old, name)]
    return {"vendor": old.vendor, "rows": total, "tables": tables, "bytes": size, "wrong": wrong, "unnamed": unnamed}


def problems(old, cursor, meta, field):
    """A column of SQLite takes anything; what PostgreSQL does not take is counted."""
    quote, kind = old.ops.quote_name, field.get_internal_type()
    column, table, name = quote(field.column), quote(meta.db_table), "%s.%s" % (meta.label, field.name)
    asked = []
    if kind in ("CharField", "SlugField", "FileField", "EmailField", "URLField") and field.max_length and not field.is_relation:
        asked.append(("CHAR_LENGTH(%s) > %d" if old.vendor == "mysql" else "LENGTH(%s) > %d", "longer than %d characters"))
        asked[-1] = (asked[-1][0] % (column, field.max_length), asked[-1][1] % field.max_length)
    if kind in ("CharField", "TextField", "SlugField", "FileField") and old.vendor == "sqlite":
        asked.append(("instr(%s, char(0)) > 0" % column, "with a NUL byte, which PostgreSQL's text can't hold"))
    limit = RANGES.get(kind) or POSITIVE.get(kind)
    if limit and old.vendor == "sqlite":
        asked.append(("typeof(%s) NOT IN ('integer', 'null')" % column, "that are no whole numbers"))
        asked.append(
            ("typeof(%s) = 'integer' AND (%s >= %d OR %s < %d)" % (column, column, limit, column, -limit), "out of its range")
        )
    found = []
    for condition, what in asked:
        if limit == 2**63 and "range" in what:
            continue
        cursor.execute("SELECT COUNT(*) FROM %s WHERE %s" % (table, condition))
        number = cursor.fetchone()[0]
        if number:
            found.append("%s: %d values %s" % (name, number, what))
    return found


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
