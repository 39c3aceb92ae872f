"""Tables and columns of two databases, as the models declare them, and the way to each database. Python 3.8+."""

from __future__ import annotations

import contextlib


SOURCE = "nuages_source"
BATCH = 2000
PATIENCE = 3600  # seconds


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
        known |= {name for name in here if name.startswith("sqlite_")}  # what ANALYZE remembers
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
    with streaming(connection) as cursor:
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


def streaming(connection):
    """A cursor that does not hold the whole table: Django's own for MySQL does."""
    if connection.vendor != "mysql":
        return connection.chunked_cursor()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION net_write_timeout = %d" % PATIENCE)  # the server would hang up on a slow reader
    return contextlib.closing(connection.connection.cursor(connection.Database.cursors.SSCursor))
