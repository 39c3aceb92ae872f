"""Does this release's code fit a schema? Read a database's schema as data, and compare models with such data.

`python -m nuages_runtime.schema --compare FILE --out FILE` runs with the code and the environment of ONE release and
needs no database: FILE holds schemas that were read elsewhere ({"steps": [{"after": label, "tables": {...}}]}), for
instance after each migration of a rehearsal. So the live release's code is asked what a migration would do to it
without ever meeting the migrated database. `--dump` reads the schema of the configured database instead.
"""

from __future__ import annotations

import argparse
import json
import sys


def read_schema(connection):
    """{table: {"columns": {name: {"type", "null", "default", "length"}}, "unique": [[column, ...]]}}"""
    reader = {"sqlite": _read_sqlite, "postgresql": _read_postgresql}.get(connection.vendor, _read_any)
    with connection.cursor() as cursor:
        return reader(connection, cursor)


def _read_sqlite(connection, cursor):
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%%'")
    tables = {}
    for name in [row[0] for row in cursor.fetchall()]:
        quoted = connection.ops.quote_name(name)
        cursor.execute("PRAGMA table_xinfo(%s)" % quoted)
        columns = {}
        for _, column, kind, notnull, default, primary, hidden in cursor.fetchall():
            automatic = primary and kind.lower() == "integer"
            columns[column] = _column(kind, not notnull, default is not None or automatic or hidden in (2, 3))
        tables[name] = {"columns": columns, "unique": _sqlite_unique(connection, cursor, quoted)}
    return tables


def _sqlite_unique(connection, cursor, table):
    cursor.execute("PRAGMA index_list(%s)" % table)
    found = []
    for row in cursor.fetchall():
        name, unique, partial = row[1], row[2], row[4]
        if unique and not partial:
            cursor.execute("PRAGMA index_info(%s)" % connection.ops.quote_name(name))
            columns = [info[2] for info in cursor.fetchall()]
            if all(columns):  # an expression has no column name
                found.append(sorted(columns))
    return sorted(found)


POSTGRESQL_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
"""
POSTGRESQL_UNIQUE = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey::int2[])
WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND pg_table_is_visible(c.oid)
  AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))
GROUP BY c.relname, i.indexrelid
"""


def _read_postgresql(connection, cursor):
    tables = {}
    cursor.execute(POSTGRESQL_COLUMNS)
    for table, column, kind, null, default in cursor.fetchall():
        entry = tables.setdefault(table, {"columns": {}, "unique": []})
        entry["columns"][column] = _column(kind, null, default)
    cursor.execute(POSTGRESQL_UNIQUE)
    for table, columns in cursor.fetchall():
        if table in tables:
            tables[table]["unique"].append(sorted(columns))
    return tables


def _read_any(connection, cursor):
    """Django's own introspection. It tells no types that can be compared, so types and lengths stay unknown."""
    introspection = connection.introspection
    tables = {}
    for info in introspection.get_table_list(cursor):
        if info.type not in ("t", "p"):
            continue
        description = introspection.get_table_description(cursor, info.name)
        automatic = {s.get("column") for s in introspection.get_sequences(cursor, info.name)}
        columns = {
            c.name: _column("", bool(c.null_ok), getattr(c, "default", None) is not None or c.name in automatic)
            for c in description
        }
        constraints = introspection.get_constraints(cursor, info.name).values()
        unique = [sorted(c["columns"]) for c in constraints if c["unique"] and c["columns"]]
        tables[info.name] = {"columns": columns, "unique": unique}
    return tables


def _column(kind, null, default):
    kind = (kind or "").lower()
    return {"type": kind, "null": bool(null), "default": bool(default), "length": length_of(kind)}


def length_of(kind):
    """The length in varchar(40) or character varying(40); None where there is none."""
    name, _, rest = kind.partition("(")
    number = rest.split(")")[0]
    return int(number) if "char" in name and number.isdigit() else None


# --- models against a schema ------------------------------------------------------------------------------------


def compare(tables, connection, allow=None):
    """What would go wrong if this process's models met this schema, as [{"model", "column", "what", "kind"}]."""
    from django.apps import apps

    found = []
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if not meta.managed or meta.proxy or meta.swapped or (allow and not allow(model)):
            continue
        for column, kind, what in _compare_model(meta, tables.get(meta.db_table), connection):
            found.append({"model": meta.label, "column": column, "kind": kind, "what": what})
    return found


def _compare_model(meta, table, connection):
    if table is None:
        yield "", "no table", "table %s is not there" % meta.db_table
        return
    columns, known = table["columns"], set()
    for field in meta.local_concrete_fields:
        known.add(field.column)
        column = columns.get(field.column)
        if column is None:
            yield field.column, "no column", "column %s is not there" % field.column
        else:
            for kind, what in _compare_column(field, column, connection):
                yield field.column, kind, what
    for name, column in columns.items():
        if name not in known and not column["null"] and not column["default"]:
            yield name, "unknown not null", "column %s must be given and has no default: inserts fail" % name
    for unique in table["unique"]:
        if unique not in _unique_of(meta) and set(unique) <= known:
            yield (
                ", ".join(unique),
                "unique",
                "(%s) must be unique, which this code does not know" % ", ".join(unique),
            )


def _compare_column(field, column, connection):
    if field.null and not field.primary_key and not column["null"]:
        yield "null", "column %s refuses NULL, which this code may write" % field.column
    wanted = (field.db_type(connection) or "").lower()
    length = length_of(wanted)
    if length and column["length"] and column["length"] < length:
        yield (
            "narrower",
            "column %s holds %d characters, this code may write %d" % (field.column, column["length"], length),
        )
    if not same_kind(wanted, column["type"]):
        yield "type", "column %s is %s, this code expects %s" % (field.column, column["type"], wanted)


FAMILIES = (
    ("number", ("int", "serial", "numeric", "decimal", "real", "double", "float")),
    ("text", ("char", "text", "citext", "clob")),
    ("time", ("timestamp", "datetime", "date", "time", "interval")),
    ("bool", ("bool",)),
    ("uuid", ("uuid",)),
    ("json", ("json",)),
    ("bytes", ("bytea", "blob")),
)


def family(kind):
    if kind.endswith("[]"):
        return "array"
    words = kind.split("(")[0]
    for name, marks in FAMILIES:
        if name == "time":
            if words.split(" ")[0] in marks:
                return words.split(" ")[0].replace("datetime", "timestamp")
        elif any(mark in words for mark in marks):
            return name
    return ""


def same_kind(wanted, actual):
    """Only what surely differs counts: a family that we don't know, or an untyped column, is no break."""
    one, other = family(wanted), family(actual)
    return not one or not other or one == other


def _unique_of(meta):
    fields = {f.name: f.column for f in meta.local_concrete_fields}
    fields.update({f.attname: f.column for f in meta.local_concrete_fields})
    found = [[f.column] for f in meta.local_concrete_fields if f.unique]
    groups = [list(group) for group in meta.unique_together]
    groups += [list(c.fields) for c in getattr(meta, "constraints", ()) if getattr(c, "fields", None)]
    primary = getattr(meta.pk, "field_names", None)  # a composite primary key
    groups += [list(primary)] if primary else []
    return found + [sorted(fields.get(name, name) for name in group) for group in groups]


def compare_steps(document):
    """Compare this release's models with each schema of the document; {label: [break, ...]} in the same order."""
    from django.db import connections, router

    alias = document.get("alias", "default")
    connection = connections[alias]

    def allow(model):
        return router.allow_migrate_model(alias, model)

    return [{"after": s["after"], "breaks": compare(s["tables"], connection, allow)} for s in document["steps"]]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="nuages_runtime.schema")
    parser.add_argument("--compare", metavar="FILE", help="schemas to compare this release's models with")
    parser.add_argument("--dump", action="store_true", help="read the schema of the configured database")
    parser.add_argument("--database", default="default")
    parser.add_argument("--out", required=True)
    options = parser.parse_args(argv)
    from .entry import set_up

    set_up()
    if options.compare:
        with open(options.compare, encoding="utf-8") as file:
            answer = {"schema": 1, "steps": compare_steps(json.load(file))}
    else:
        from django.db import connections

        tables = read_schema(connections[options.database])
        answer = {"schema": 1, "alias": options.database, "steps": [{"after": "", "tables": tables}]}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
