"""DATABASES: only `default` takes DATABASE_URL; routers, other aliases and wrapper engines stay."""

from __future__ import annotations

import copy
import os

from . import database_url
from .overlay_values import NOTE, kept_type


FAMILIES = {
    "postgresql": ("postgresql", "postgres", "postgis", "psycopg", "psqlextra", "cockroachdb"),
    "mysql": ("mysql", "mariadb"),
    "sqlite": ("sqlite", "spatialite"),
    "oracle": ("oracle",),
}
IDENTITY = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
CONNECT_SECONDS = 5
SQLITE_KEPT = 60  # seconds; a snapshot is put back in place, so an open connection sees it
SQLITE_SECONDS = 20


def family(engine):
    """ "django_prometheus.db.backends.postgresql" and "django.contrib.gis.db.backends.postgis" are of one family."""
    last = str(engine).lower().split(".")
    for part in reversed(last):
        for name, words in FAMILIES.items():
            if any(word in part for word in words):
                return name
    return ""


def database_from_url(view):
    url = view.env("DATABASE_URL")
    if not url:
        return
    databases = copy.copy(view.get("DATABASES") or {})
    old = databases.get("default") or {}
    new = database_url.parse(url)
    if new["ENGINE"].endswith("sqlite3") and new["NAME"] != ":memory:" and not os.path.isabs(new["NAME"]):
        new["NAME"] = os.path.join(view.policy.get("data_dir") or "", os.path.basename(new["NAME"]))
    if _same_target(old, new):
        return
    entry, reason = merged(old, new)
    databases["default"] = entry
    for alias, other in list(databases.items()):
        if alias != "default" and old and _same_target(other, old):
            databases[alias] = {**other, **{key: entry.get(key, "") for key in ("ENGINE", *IDENTITY)}}
            reason += "; %r was the same database and follows" % alias
    yield "DATABASES", databases, reason


def merged(old, new):
    """The project's entry with the URL's target: its wrapper engine, options and tests stay where the family is the same."""
    before, after = family(old.get("ENGINE", "")), family(new["ENGINE"])
    if before == after:
        entry = {**old, **{key: new.get(key, "") for key in IDENTITY}}
        entry.update({key: value for key, value in new.items() if key.isupper() and key not in ("ENGINE", "OPTIONS", *IDENTITY)})
        options = {**(old.get("OPTIONS") or {}), **new.get("OPTIONS", {})}
        options.pop("service", None)
        if options:
            entry["OPTIONS"] = options
        return entry, "DATABASE_URL"
    kept = {key: old[key] for key in ("ATOMIC_REQUESTS", "TIME_ZONE") if key in old}
    was = old.get("ENGINE") or ""
    if not was or was.endswith("dummy"):
        return {**kept, **new}, "DATABASE_URL"
    return {
        **kept,
        **new,
    }, "DATABASE_URL names another ENGINE: %s in place of %s; its rows are not copied" % (new["ENGINE"], was)


def _same_target(one, other):
    def target(entry):
        values = [str(entry.get(key) or "") for key in IDENTITY]
        return [
            family(entry.get("ENGINE", "")),
            *values[:3],
            values[3] or "localhost",
            values[4] or "default",
        ]

    return target(one) == target(other)


def sqlite_in_data_dir(view):
    databases = view.get("DATABASES") or {}
    changed, taken = {}, set()
    for alias, entry in databases.items():
        name = entry.get("NAME") if isinstance(entry, dict) and family(entry.get("ENGINE", "")) == "sqlite" else None
        if not name or _in_memory(name):
            continue
        if view.in_project(name):
            file = os.path.basename(os.fspath(name))
            file = file if file not in taken else "%s-%s" % (alias, file)
            moved = os.path.join(view.policy.get("data_dir") or "", file)
            changed[alias] = {**entry, "NAME": kept_type(name, moved)}
        taken.add(os.path.basename(os.fspath(changed.get(alias, entry)["NAME"])))
    if changed:
        files = ", ".join(sorted(os.path.basename(os.fspath(entry["NAME"])) for entry in changed.values()))
        yield (
            "DATABASES",
            {**databases, **changed},
            "%s lives beside the releases, so that a deploy never touches it" % files,
        )


def _in_memory(name):
    text = os.fspath(name)
    return text == ":memory:" or text.startswith("file:")


def sqlite_for_many_writers(view):
    databases = view.get("DATABASES") or {}
    changed = {}
    for alias, entry in databases.items():
        if (
            not isinstance(entry, dict)
            or family(entry.get("ENGINE", "")) != "sqlite"
            or _in_memory(entry.get("NAME") or ":memory:")
        ):
            continue
        options = dict(entry.get("OPTIONS") or {})
        options.setdefault("timeout", SQLITE_SECONDS)
        if view.django >= (5, 1):
            options.setdefault("transaction_mode", "IMMEDIATE")
            options.setdefault("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        kept = {} if view.asgi or "CONN_MAX_AGE" in entry else {"CONN_MAX_AGE": SQLITE_KEPT}
        if options != entry.get("OPTIONS") or kept:
            changed[alias] = {**entry, **kept, "OPTIONS": options}
    if changed:
        yield (
            "DATABASES",
            {**databases, **changed},
            "readers don't wait for the writer (WAL), writers queue instead of failing, and connections stay open",
        )


def connections(view):
    """Persistent connections under WSGI; under ASGI, and with a pool, Django wants them off."""
    databases = view.get("DATABASES") or {}
    changed, reasons = {}, []
    for alias, entry in databases.items():
        if not isinstance(entry, dict) or family(entry.get("ENGINE", "")) not in ("postgresql", "mysql"):
            continue
        new, reason = _persistent(view, entry)
        options = dict(new.get("OPTIONS") or {})
        if not {"connect_timeout", "service"} & set(options):
            new = {**new, "OPTIONS": {**options, "connect_timeout": CONNECT_SECONDS}}
            reason.append("a database that doesn't answer is given up after %s s" % CONNECT_SECONDS)
        if new != entry:
            changed[alias] = new
            reasons += [text for text in reason if text not in reasons]
    if changed:
        yield "DATABASES", {**databases, **changed}, "; ".join(reasons)


def _persistent(view, entry):
    age = entry.get("CONN_MAX_AGE", 0)
    if view.asgi or (entry.get("OPTIONS") or {}).get("pool"):
        if age == 0:
            return entry, []
        return {**entry, "CONN_MAX_AGE": 0}, ["persistent connections pile up under ASGI and clash with a pool"]
    new, reasons = dict(entry), []
    if "CONN_MAX_AGE" not in entry:
        new["CONN_MAX_AGE"] = 60
        reasons.append("connections are kept for a minute: connecting costs more than most queries")
    if view.django >= (4, 1) and "CONN_HEALTH_CHECKS" not in entry and new["CONN_MAX_AGE"] != 0:
        new["CONN_HEALTH_CHECKS"] = True
        reasons.append("a kept connection is checked before it is used")
    return new, reasons


def told(view):
    for alias, entry in (view.get("DATABASES") or {}).items():
        if (
            not isinstance(entry, dict)
            or family(entry.get("ENGINE", "")) != "sqlite"
            or _in_memory(entry.get("NAME") or ":memory:")
        ):
            continue
        if not view.in_project(entry["NAME"]) and not _under(entry["NAME"], view.policy.get("data_dir")):
            yield "DATABASES", NOTE, "%s stays where the project puts it, outside of the source" % alias


def _under(path, folder):
    return bool(folder) and os.path.realpath(os.fspath(path)).startswith(os.path.realpath(folder) + os.sep)


RULES = (database_from_url, sqlite_in_data_dir, sqlite_for_many_writers, connections, told)
