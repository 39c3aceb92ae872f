"""What the models of a project say of its tables, told by the project's own Python. Python 3.8+."""

from __future__ import annotations

import os


TEXTS = ("varchar", "char", "text", "citext", "nvarchar", "longtext", "mediumtext")
NUMBERS = ("numeric", "decimal", "real", "double", "float")
INTEGERS = ("int", "serial", "bigint", "smallint", "mediumint", "tinyint")
BINARIES = ("bytea", "blob", "longblob")


def kind_of(field, connection):
    """json, datetime, date, uuid, inet, text, int, number, bool, binary, array:text ... or other."""
    kind, name = (field.db_type(connection) or "").lower(), field.get_internal_type()
    if kind.endswith("[]") and hasattr(field, "base_field"):
        return "array:" + kind_of(field.base_field, connection)
    for internal, base in (("JSONField", "json"), ("DateTimeField", "datetime"), ("DateField", "date"), ("UUIDField", "uuid")):
        if name == internal:
            return base
    if name == "GenericIPAddressField" and connection.vendor == "postgresql":
        return "inet"
    return kind_of_type(kind, boolean=name == "BooleanField")


def kind_of_type(kind, boolean=False):
    """By the type as the database writes it."""
    if kind.endswith("[]"):
        return "array:" + kind_of_type(kind[:-2])
    bare = kind.split("(")[0].split(" ")[0]
    if bare in ("json", "jsonb"):
        return "json"
    if boolean or bare in ("bool", "boolean"):
        return "bool"
    if bare == "tsvector":
        return "words"
    for base, names in (("text", TEXTS), ("number", NUMBERS), ("int", INTEGERS), ("binary", BINARIES)):
        if bare in names or (base == "int" and "int" in bare):
            return base
    return {"timestamp": "datetime", "date": "date", "uuid": "uuid", "inet": "inet"}.get(bare, "other")


def column(field, connection):
    target = None
    if field.remote_field is not None and getattr(field, "target_field", None) is not None and field.is_relation:
        target = [field.target_field.model._meta.db_table, field.target_field.column]
        base = kind_of(last_target(field), connection)
    else:
        base = kind_of(field, connection)
    return {
        "field": field.name,
        "column": field.column,
        "class": type(field).__name__,
        "kind": base,
        "max_length": getattr(last_target(field), "max_length", None),
        "protocol": getattr(field, "protocol", None),
        "unique": bool(field.unique),
        "null": bool(field.null),
        "to": target,
        "generated": bool(getattr(field, "generated", False)),
    }


def last_target(field):
    while field.is_relation and getattr(field, "target_field", None) is not None and field.target_field is not field:
        field = field.target_field
    return field


def models(apps, connection):
    seen = {}
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy or meta.swapped or not meta.db_table or meta.db_table in seen:
            continue
        columns = [column(field, connection) for field in meta.local_concrete_fields if field.column]
        columns += unnamed(connection, meta.db_table, {each["column"] for each in columns})
        seen[meta.db_table] = {"label": meta.label, "table": meta.db_table, "managed": meta.managed, "columns": columns}
    return list(seen.values())


def unnamed(connection, table, known):
    """Columns that are in the table and in no model: a migration made them by hand."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull, attgenerated <> '' FROM pg_attribute "
                "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                [connection.ops.quote_name(table)],
            )
            found = cursor.fetchall()
        elif connection.vendor == "sqlite":
            cursor.execute("PRAGMA table_xinfo(%s)" % connection.ops.quote_name(table))
            found = [(row[1], row[2], not row[3], row[6] in (2, 3)) for row in cursor.fetchall()]
        else:
            return []
    return [by_type(*row) for row in found if row[0] not in known]


def by_type(name, kind, null, generated):
    bare = kind.lower().replace("character varying", "varchar")
    length = bare.partition("(")[2].partition(")")[0]
    return {
        "field": name,
        "column": name,
        "class": kind,
        "kind": kind_of_type(bare),
        "max_length": int(length) if length.isdigit() else None,
        "protocol": None,
        "unique": False,
        "null": bool(null),
        "to": None,
        "generated": bool(generated),
    }


def rows_of(connection, tables):
    """About how many rows each has: PostgreSQL's own estimate, SQLite's count."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT oid::regclass::text, reltuples::bigint FROM pg_class WHERE relkind IN ('r', 'p')")
            found = {name.strip('"').rpartition(".")[2].strip('"'): int(number) for name, number in cursor.fetchall()}
            return {table: max(0, found.get(table, 0)) for table in tables}
        counts = {}
        for table in tables:
            cursor.execute("SELECT COUNT(*) FROM %s" % connection.ops.quote_name(table))
            counts[table] = cursor.fetchone()[0]
        return counts


def told_of(alias):
    from django.apps import apps
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.db import connections

    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if connection.vendor == "postgresql":  # an extension's own come with it
            cursor.execute(
                "SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass "
                "WHERE d.deptype = 'e'"
            )
            tables = sorted(set(tables) - {row[0] for row in cursor.fetchall()})
        if connection.vendor == "sqlite":  # an index of words is several tables, and is emptied or built again as a whole
            cursor.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'")
            virtual = tuple(row[0] for row in cursor.fetchall())
            parts = tuple(name + "_" for name in virtual)
            tables = [name for name in tables if name not in virtual and not (parts and name.startswith(parts))]
        tables = [name for name in tables if not name.startswith("sqlite_")]
    user, username = "", ""
    if apps.is_installed("django.contrib.auth"):
        user, username = get_user_model()._meta.label, get_user_model().USERNAME_FIELD
    found = [model for model in models(apps, connection) if model["table"] in tables]
    return {
        "vendor": connection.vendor,
        "name": str(connection.settings_dict["NAME"]),
        "size": size_of(connection),
        "user": user,
        "username": username,
        "models": found,
        "tables": tables,
        "rows": rows_of(connection, tables),
        "extensions": extensions_of(connection),
        "time_zone": settings.TIME_ZONE,
    }


def size_of(connection):
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        return sum(os.path.getsize(name + end) for end in ("", "-wal") if os.path.exists(name + end))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    return 0


def extensions_of(connection):
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'")
        return [row[0] for row in cursor.fetchall()]


def main(wish, _say):
    return told_of(wish.get("alias", "default"))
