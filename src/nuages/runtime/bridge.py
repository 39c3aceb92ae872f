"""Two releases on one table: defaults that stay while the older release inserts rows, columns that may stay empty.

Django fills a new NOT NULL column with the field's default and then drops the default from the database, so that a
release which does not know the column can't insert any more. In the process that migrates, and only there, the drop
is left out (PostgreSQL, MySQL), or the column is added in place with its default instead of rebuilding the table
(SQLite, where the default goes with Django's next rebuild of that table).
"""

from __future__ import annotations

import json
import os


class Kept:
    """The defaults that stay, in a file that survives an interrupted run."""

    def __init__(self, path):
        self.path, self.entries = path, []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.entries = json.load(file)["defaults"]

    def add(self, table, column, migration):
        entry = {"table": table, "column": column, "migration": migration}
        if entry not in self.entries:
            self.entries.append(entry)

    def has(self, table, column):
        return any(entry["table"] == table and entry["column"] == column for entry in self.entries)

    def save(self, _migration=None):
        if not self.entries:
            return
        partial = self.path + ".partial"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "defaults": self.entries}, file)
        os.replace(partial, self.path)


def keep_defaults(alias, kept, run):
    """Patch the schema editor of this database's class in this process."""
    from django.db import connections
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

    editor_class = connections[alias].SchemaEditorClass
    original = editor_class.add_field

    def add_field(editor, model, field):
        if not is_bridged(editor, field):
            return original(editor, model, field)
        kept.add(model._meta.db_table, field.column, run.current)
        kept.save()  # before the column is there: a default too many in the list is dropped without harm
        add = original
        if editor.connection.vendor == "sqlite" and is_constant(editor, field):
            add = BaseDatabaseSchemaEditor.add_field
        with without_drop_default(editor):
            return add(editor, model, field)

    editor_class.add_field = add_field
    if connections[alias].vendor == "sqlite":
        keep_through_rebuilds(editor_class, kept)


def keep_through_rebuilds(editor_class, kept):
    """Django rebuilds a SQLite table for most changes, from the models, which know nothing of a kept default."""
    original = editor_class.column_sql

    def column_sql(editor, model, field, include_default=False):
        table = model._meta.db_table
        table = table[len("new__") :] if table.startswith("new__") else table
        if kept.has(table, field.column) and is_bridged(editor, field):
            include_default = True
        return original(editor, model, field, include_default)

    editor_class.column_sql = column_sql


def is_bridged(editor, field):
    if field.many_to_many or field.null or field.primary_key or field.unique or getattr(field, "generated", False):
        return False
    has_db_default = getattr(field, "has_db_default", None)
    if has_db_default and has_db_default():
        return False
    return editor.effective_default(field) is not None


def is_constant(editor, field):
    """SQLite adds a column with a literal default only, and none that refers to another table."""
    return not field.remote_field or not getattr(field, "db_constraint", False)


class without_drop_default:  # noqa: N801 - reads as the with statement that it is
    def __init__(self, editor):
        self.editor = editor

    def __enter__(self):
        execute = self.editor.execute

        def all_but_the_drop(sql, params=()):
            if str(sql).rstrip().upper().endswith("DROP DEFAULT"):
                return None
            return execute(sql, params)

        self.editor.execute = all_but_the_drop

    def __exit__(self, *exception):
        del self.editor.execute


def drop_defaults(alias, path):
    """The contract phase: give the table the shape that Django means it to have. Columns that are gone are skipped."""
    from django.db import connections

    connection = connections[alias]
    kept = Kept(path) if os.path.exists(path) else None
    if kept is None:
        return
    if connection.vendor != "sqlite":
        quote = connection.ops.quote_name
        for entry in kept.entries:
            with connection.cursor() as cursor:
                if has_column(connection, cursor, entry["table"], entry["column"]):
                    cursor.execute(
                        "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT" % (quote(entry["table"]), quote(entry["column"]))
                    )
                    yield "%(table)s.%(column)s  default dropped" % entry
    os.remove(path)


def has_column(connection, cursor, table, column):
    if table not in connection.introspection.table_names(cursor):
        return False
    return column in [c.name for c in connection.introspection.get_table_description(cursor, table)]


def relax(alias, label):
    """Make a column nullable whose field the new release no longer has, so that its inserts may leave it out until the
    column is removed. The models are those that the applied migrations describe."""
    from django.core.exceptions import FieldDoesNotExist
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    connection = connections[alias]
    app, name, field_name = label.split(".")
    state = MigrationExecutor(connection)._create_project_state(with_applied_migrations=True)
    try:
        model = state.apps.get_model(app, name)
        field = model._meta.get_field(field_name)
    except (LookupError, FieldDoesNotExist):
        return "%s  is gone already" % label
    with connection.cursor() as cursor:
        if not has_column(connection, cursor, model._meta.db_table, field.column):
            return "%s  is gone already" % label
        described = connection.introspection.get_table_description(cursor, model._meta.db_table)
        if any(c.name == field.column and c.null_ok for c in described):
            return "%s  may be empty already" % label
    loose = field.clone()
    loose.null = True
    loose.set_attributes_from_name(field_name)
    loose.model = model
    with connection.schema_editor() as editor:
        editor.alter_field(model, field, loose)
    return "%s  may be empty from now on" % label
