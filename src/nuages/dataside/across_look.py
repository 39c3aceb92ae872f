"""What PostgreSQL would refuse of a database, counted before anything is changed. Python 3.8+."""

from __future__ import annotations

import fence_mysql
from across_tables import SOURCE, count, entry_of, point


RANGES = {"SmallIntegerField": 2**15, "IntegerField": 2**31, "BigIntegerField": 2**63}
POSITIVE = {"PositiveSmallIntegerField": 2**15, "PositiveIntegerField": 2**31, "PositiveBigIntegerField": 2**63}
NUL = "with a NUL byte, which PostgreSQL's text can't hold"
RANGE = "out of its range"


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
            if old.vendor == "mysql" and meta.db_table not in here and meta.db_table.lower() in here:
                wrong.append("%s: its table is called %s there, not %s" % (meta.label, meta.db_table.lower(), meta.db_table))
            if meta.proxy or meta.swapped or meta.db_table not in here or not router.allow_migrate_model(alias, model):
                continue
            here.discard(meta.db_table)
            tables += 1
            total += count(old, meta.db_table)
            for field in meta.local_concrete_fields:
                wrong += problems(old, cursor, meta, field)
        more, size = {"sqlite": whole_sqlite, "mysql": whole_mysql}.get(old.vendor, lambda *_: ([], 0))(old, cursor)
        fence = fence_mysql.lacks(cursor) if old.vendor == "mysql" else ""
    unnamed = [name for name in sorted(here) if not name.startswith(("django_migrations", "sqlite_")) and count(old, name)]
    return {
        "vendor": old.vendor,
        "rows": total,
        "tables": tables,
        "bytes": size,
        "wrong": wrong + more,
        "unnamed": unnamed,
        "fence": fence,
    }


def whole_sqlite(old, cursor):
    """What is wrong beyond a single column, and its bytes."""
    cursor.execute("PRAGMA foreign_key_check")
    wrong = sorted({"%s: rows that refer to %s which are not there" % (r[0], r[2]) for r in cursor.fetchall()})
    cursor.execute("PRAGMA page_count")
    pages = cursor.fetchone()[0]
    cursor.execute("PRAGMA page_size")
    return wrong, pages * cursor.fetchone()[0]


def whole_mysql(old, cursor):
    """MyISAM knows no references, and InnoDB takes any while foreign_key_checks is off."""
    from django.db.utils import IntegrityError

    cursor.execute(
        "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    )
    size = int(cursor.fetchone()[0])
    try:
        old.check_constraints()
    except IntegrityError as error:
        return [str(error)], size
    return [], size


def problems(old, cursor, meta, field):
    """A column of SQLite takes anything; what PostgreSQL does not take is counted."""
    quote, kind = old.ops.quote_name, field.get_internal_type()
    column, table, name = quote(field.column), quote(meta.db_table), "%s.%s" % (meta.label, field.name)
    asked = []
    if kind in ("CharField", "SlugField", "FileField", "EmailField", "URLField") and field.max_length and not field.is_relation:
        asked.append(("CHAR_LENGTH(%s) > %d" if old.vendor == "mysql" else "LENGTH(%s) > %d", "longer than %d characters"))
        asked[-1] = (asked[-1][0] % (column, field.max_length), asked[-1][1] % field.max_length)
    text = kind in ("CharField", "TextField", "SlugField", "FileField", "EmailField", "URLField")
    limit = RANGES.get(kind) or POSITIVE.get(kind)
    asked += (asked_of_mysql if old.vendor == "mysql" else asked_of_sqlite)(old, kind, column, text, limit)
    found = []
    for condition, what in asked:
        cursor.execute("SELECT COUNT(*) FROM %s WHERE %s" % (table, condition))
        number = cursor.fetchone()[0]
        if number:
            found.append("%s: %d values %s" % (name, number, what))
    return found


def asked_of_sqlite(old, kind, column, text, limit):
    asked = []
    if old.vendor != "sqlite":
        return asked
    if text:
        asked.append(("instr(%s, char(0)) > 0" % column, NUL))
    if limit:
        asked.append(("typeof(%s) NOT IN ('integer', 'null')" % column, "that are no whole numbers"))
    if limit and limit != 2**63:
        asked.append(("typeof(%s) = 'integer' AND (%s >= %d OR %s < %d)" % (column, column, limit, column, -limit), RANGE))
    return asked


def asked_of_mysql(old, kind, column, text, limit):
    """Its numbers may have no sign, and its dates no day."""
    asked = []
    if text:
        asked.append(("INSTR(CAST(%s AS BINARY), CHAR(0)) > 0" % column, NUL))
    if limit and kind in POSITIVE:
        asked.append(("%s >= %d" % (column, limit), RANGE))
    if kind in ("DateField", "DateTimeField"):
        said = "CAST(%s AS CHAR)" % column
        zeros = " OR ".join("%s LIKE '%s'" % (said, like) for like in ("0000-%", "____-00-%", "____-__-00%"))
        asked.append((zeros, "that are no dates, as 0000-00-00"))
    return asked
