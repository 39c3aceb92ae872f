"""What PostgreSQL would refuse of a database, counted before anything is changed. Python 3.8+."""

from __future__ import annotations

from across_tables import SOURCE, count, entry_of, point


RANGES = {"SmallIntegerField": 2**15, "IntegerField": 2**31, "BigIntegerField": 2**63}
POSITIVE = {"PositiveSmallIntegerField": 2**15, "PositiveIntegerField": 2**31, "PositiveBigIntegerField": 2**63}


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
    unnamed = [name for name in sorted(here) if not name.startswith(("django_migrations", "sqlite_")) and count(old, name)]
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
