"""The operations of a pending migration as data: what each does to which table, from state to state.

No operation of the project's own making is ever executed to find out; SQL is collected only from Django's.
"""

from __future__ import annotations

import inspect
import re


def describe_migration(migration, state, connection, tables, created):
    """(operations, state after); `created` collects the tables that the plan itself creates."""
    described = []
    for operation in migration.operations:
        before = state.clone()
        operation.state_forwards(migration.app_label, state)
        described.extend(_describe(operation, migration, before, state, connection, tables, created))
    return described, state


def _describe(operation, migration, before, after, connection, tables, created):
    if kind_of(operation) == "SeparateDatabaseAndState":
        yield from _describe_separate(operation, migration, before, connection, tables, created)
        return
    app = migration.app_label
    facts = {
        "class": "%s.%s" % (type(operation).__module__, type(operation).__qualname__),
        "kind": kind_of(operation),
        "own": not type(operation).__module__.startswith("django."),
        "describe": safely(operation.describe, type(operation).__name__),
        "reversible": bool(getattr(operation, "reversible", True)),
        "reduces_to_sql": bool(getattr(operation, "reduces_to_sql", True)),
    }
    facts["skipped"] = not allowed(operation, app, before, after, connection)
    extra = safely(lambda: DESCRIBE.get(facts["kind"], _nothing)(operation, app, before, after, connection), {})
    facts.update(extra)
    table = facts.get("table", "")
    facts["created"] = bool(table) and table in created
    facts["exists"] = bool(table) and table in tables
    note_created(facts, created)
    facts["sql"] = collect_sql(operation, migration, before, after, connection)
    yield facts


def _describe_separate(operation, migration, before, connection, tables, created):
    state = before.clone()
    for inner in operation.database_operations:
        previous = state.clone()
        inner.state_forwards(migration.app_label, state)
        yield from _describe(inner, migration, previous, state, connection, tables, created)
    if not operation.database_operations:
        yield {
            "kind": "StateOnly",
            "class": "django.db.migrations.operations.special.SeparateDatabaseAndState",
            "own": False,
            "describe": "; ".join(op.describe() for op in operation.state_operations),
            "sql": [],
        }


def note_created(facts, created):
    if facts["kind"] == "CreateModel":
        created.update([facts.get("table", ""), *facts.get("also", ())])
    elif facts["kind"] == "AddField" and facts.get("field", {}).get("m2m"):
        created.update(facts.get("also", ()))
    elif facts["kind"] in ("RenameModel", "AlterModelTable") and facts.get("table") in created:
        created.add(facts.get("new_table"))


def kind_of(operation):
    """Django's name for what it is: a project's subclass of AddField is an AddField."""
    for cls in type(operation).__mro__:
        if cls.__module__.startswith("django."):
            return "custom" if cls.__name__ == "Operation" else cls.__name__
    return "custom"


def allowed(operation, app, before, after, connection):
    from django.db import router

    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    hints = getattr(operation, "hints", None) or {}
    if kind_of(operation) in ("RunPython", "RunSQL"):
        return safely(lambda: router.allow_migrate(connection.alias, app, **hints), True)
    model = model_of(after, app, name) or model_of(before, app, name)
    return model is None or safely(lambda: router.allow_migrate_model(connection.alias, model), True)


def model_of(state, app, name):
    try:
        return state.apps.get_model(app, name)
    except (LookupError, ValueError, AttributeError, TypeError):
        return None


def safely(call, otherwise):
    try:
        return call()
    except Exception:
        return otherwise


# --- what each kind does ----------------------------------------------------------------------------------------


def _nothing(operation, app, before, after, connection):
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    model = model_of(after, app, name) or model_of(before, app, name)
    return {"model": model._meta.label, "table": model._meta.db_table} if model is not None else {}


def _create_model(operation, app, before, after, connection):
    model = model_of(after, app, operation.name)
    meta = model._meta
    facts = {"model": meta.label, "table": meta.db_table, "managed": meta.managed, "proxy": meta.proxy}
    through = [f.remote_field.through._meta for f in meta.local_many_to_many]
    facts["also"] = [m.db_table for m in through if m.auto_created]
    facts["unmanaged"] = not meta.managed or meta.proxy
    facts["references"] = [f.remote_field.model._meta.db_table for f in meta.local_concrete_fields if has_foreign_key(f)]
    return facts


def _delete_model(operation, app, before, after, connection):
    meta = model_of(before, app, operation.name)._meta
    return {"model": meta.label, "table": meta.db_table, "unmanaged": not meta.managed or meta.proxy}


def _field_of(operation, app, state, connection, name=None):
    model = model_of(state, app, operation.model_name)
    return model._meta, field_facts(model._meta.get_field(name or operation.name), connection)


def _add_field(operation, app, before, after, connection):
    meta, facts = _field_of(operation, app, after, connection)
    if facts["m2m"]:
        return {"model": meta.label, "table": meta.db_table, "field": facts, "also": [facts["through"]]}
    # The default of the operation itself counts: with preserve_default=False the state has none.
    facts["default"] = default_kind(operation.field)
    return {
        "model": meta.label,
        "table": meta.db_table,
        "unmanaged": not meta.managed or meta.proxy,
        "field": facts,
    }


def _remove_field(operation, app, before, after, connection):
    meta, facts = _field_of(operation, app, before, connection)
    return {"model": meta.label, "table": meta.db_table, "unmanaged": not meta.managed, "field": facts}


def _alter_field(operation, app, before, after, connection):
    old_model, new_model = (
        model_of(before, app, operation.model_name),
        model_of(after, app, operation.model_name),
    )
    old, new = old_model._meta.get_field(operation.name), new_model._meta.get_field(operation.name)
    editor = connection.schema_editor(collect_sql=True)
    altered = getattr(editor, "_field_should_be_altered", lambda _old, _new: True)(old, new)
    return {
        "model": new_model._meta.label,
        "table": new_model._meta.db_table,
        "unmanaged": not new_model._meta.managed,
        "altered": bool(altered),
        "old": field_facts(old, connection),
        "field": {**field_facts(new, connection), "default": default_kind(operation.field)},
    }


def _rename_field(operation, app, before, after, connection):
    meta, old = _field_of(operation, app, before, connection, operation.old_name)
    _, new = _field_of(operation, app, after, connection, operation.new_name)
    return {
        "model": meta.label,
        "table": meta.db_table,
        "old": old,
        "field": new,
        "renamed": old["column"] != new["column"],
    }


def _rename_model(operation, app, before, after, connection):
    old = model_of(before, app, operation.old_name)._meta
    new = model_of(after, app, operation.new_name)._meta
    tables = [
        (f.remote_field.through._meta.db_table, g.remote_field.through._meta.db_table)
        for f, g in zip(old.local_many_to_many, new.local_many_to_many)
    ]
    moved = old.db_table != new.db_table or any(one != other for one, other in tables)
    return {"model": new.label, "table": old.db_table, "new_table": new.db_table, "renamed": moved}


def _alter_model_table(operation, app, before, after, connection):
    old, new = model_of(before, app, operation.name)._meta, model_of(after, app, operation.name)._meta
    moved = old.db_table != new.db_table
    return {"model": new.label, "table": old.db_table, "new_table": new.db_table, "renamed": moved}


def _together(operation, app, before, after, connection):
    name = operation.option_name
    old = before.models[(app, operation.name_lower)].options.get(name) or ()
    new = after.models[(app, operation.name_lower)].options.get(name) or ()
    facts = _nothing(operation, app, before, after, connection)
    facts["added"] = sorted(list(group) for group in set(map(tuple, new)) - set(map(tuple, old)))
    facts["removed"] = sorted(list(group) for group in set(map(tuple, old)) - set(map(tuple, new)))
    return facts


def _constraint(operation, app, before, after, connection):
    facts = _nothing(operation, app, before, after, connection)
    constraint = getattr(operation, "constraint", None)
    facts["constraint"] = type(constraint).__name__ if constraint is not None else ""
    return facts


def _run_python(operation, app, before, after, connection):
    code = operation.code
    text = safely(lambda: inspect.getsource(code), "")
    models = re.findall(r"get_model\(\s*['\"]([\w.]+)['\"](?:\s*,\s*['\"](\w+)['\"])?", text)
    return {
        "function": "%s.%s" % (getattr(code, "__module__", ""), getattr(code, "__qualname__", type(code).__name__)),
        "noop": code is type(operation).noop or getattr(code, "__name__", "") == "noop",
        "touches": sorted({".".join(filter(None, pair)).lower() for pair in models}),
        "deletes": ".delete(" in text,
    }


def _run_sql(operation, app, before, after, connection):
    sql = operation.sql
    parts = [sql] if isinstance(sql, str) else [p if isinstance(p, str) else p[0] for p in sql]
    return {"statements": [str(part) for part in parts], "noop": not "".join(map(str, parts)).strip()}


DESCRIBE = {
    "CreateModel": _create_model,
    "DeleteModel": _delete_model,
    "AddField": _add_field,
    "RemoveField": _remove_field,
    "AlterField": _alter_field,
    "RenameField": _rename_field,
    "RenameModel": _rename_model,
    "AlterModelTable": _alter_model_table,
    "AlterUniqueTogether": _together,
    "AlterIndexTogether": _together,
    "AddConstraint": _constraint,
    "AddConstraintNotValid": _constraint,
    "RunPython": _run_python,
    "RunSQL": _run_sql,
}


# --- fields -----------------------------------------------------------------------------------------------------


def field_facts(field, connection):
    if field.many_to_many:
        through = field.remote_field.through._meta
        return {
            "name": field.name,
            "m2m": True,
            "auto": bool(through.auto_created),
            "through": through.db_table,
        }
    parameters = field.db_parameters(connection)
    db_default = getattr(field, "db_default", None)
    return {
        "name": field.name,
        "column": field.column,
        "class": "%s.%s" % (type(field).__module__, type(field).__qualname__),
        "m2m": False,
        "db_type": parameters.get("type"),
        "check": parameters.get("check") or "",
        "collation": getattr(field, "db_collation", None) or "",
        "null": field.null,
        "unique": field.unique,
        "primary_key": field.primary_key,
        "index": bool(field.db_index),
        "default": default_kind(field),
        "db_default": has_db_default(field),
        "volatile": has_db_default(field) and not is_value(db_default),
        "generated": bool(getattr(field, "generated", False)),
        "foreign_key": has_foreign_key(field),
        "references": field.remote_field.model._meta.db_table if has_foreign_key(field) else "",
    }


def has_foreign_key(field):
    return bool(field.remote_field and getattr(field, "db_constraint", False) and not field.many_to_many)


def has_db_default(field):
    from django.db.models.fields import NOT_PROVIDED

    return getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED


def is_value(expression):
    from django.db.models import Value

    return not hasattr(expression, "resolve_expression") or isinstance(expression, Value)


def default_kind(field):
    """none, constant, moment (the clock's time), or changing (another value at each call: uuid4, a random token)."""
    moment = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    if not moment and field.has_default():
        moment = callable(field.default) and getattr(field.default, "__name__", "") in (
            "now",
            "today",
            "localdate",
            "localtime",
            "utcnow",
        )
        if not moment and callable(field.default):
            one, other = safely(field.get_default, None), safely(field.get_default, None)
            return "constant" if one is not None and one == other else "changing"
        if not moment:
            return "constant" if field.default is not None else "none"
    if moment:
        return "moment"
    # What Django's schema editor falls back to: '' for text that may be blank.
    return "constant" if not field.null and field.blank and field.empty_strings_allowed else "none"


# --- SQL --------------------------------------------------------------------------------------------------------


def collect_sql(operation, migration, before, after, connection):
    """The SQL of one of Django's own operations; others might do more than write SQL, so they are not asked."""
    if not type(operation).__module__.startswith("django.") or kind_of(operation) == "RunPython":
        return []
    try:
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            operation.database_forwards(migration.app_label, editor, before, after)
        return [str(line) for line in editor.collected_sql]
    except Exception:
        return []
