"""nuages.toml -> Topology. An error names the path of the key and guesses what was meant."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuages.errors import ProjectError, TopologyError
from nuages.topology import environments, servers
from nuages.topology.access import DEPLOY_KEY, with_deploy_key
from nuages.topology.backups import backups_of
from nuages.topology.dashboard import dashboard_of
from nuages.topology.model import Health, Migrations, Services, Silence, Tls, Topology
from nuages.topology.pipeline import errors_of, hooks_of, notify_of, pipeline_of
from nuages.topology.scrub import scrub_of


FILE = "nuages.toml"
REHEARSAL = "NUAGES_REHEARSAL"  # set by `nuages --rehearse`: the ssh configuration of a lab whose hosts stand in
REFERENCE = Path(__file__).with_name("reference.toml")
LONGEST = 48  # characters in the name of a site
OPEN_TABLES = {"processes": str, "scale": int, "settings": object, "scrub": object}
CHOICES = {
    "project.interface": ("", "wsgi", "asgi"),
    "serve.server": ("auto", "gunicorn", "granian"),
    "serve.supervisor": ("auto", "embedded", "systemd"),
    "services.proxy": ("nginx", "none"),
    "services.database": ("postgresql", "sqlite", "none"),
    "backups.engine": ("restic", "none"),
    "services.cache": ("auto", "valkey", "redis", "memcached", "none"),
    "tls.certificate": ("acme", "local-ca", "own", "none"),
    "serve.log_format": ("text", "json"),
    "migrations.policy": ("safe", "maintenance", "manual", "any"),
    "migrations.snapshot": ("when-unsafe", "always", "never"),
    "pipeline.tests_database": ("auto", "sqlite", "postgresql"),
}
FRACTIONS = ("health.within", "serve.drain", "migrations.lock_timeout", "pipeline.tests_within", "hooks.within")
POSITIVE = ("keep", "health.within", "serve.drain", "pipeline.tests_within", "hooks.within")
NOT_NEGATIVE = ("serve.threads", "tls.hsts_seconds", "migrations.lock_timeout")


def find_root(start: Path) -> Path:
    """The folder of the project: `start`, or the nearest one above it that holds nuages.toml or manage.py."""
    start = start.resolve()
    if not start.is_dir():
        raise ProjectError("there is no such folder", where=str(start))
    for folder in (start, *start.parents):
        if (folder / FILE).is_file() or (folder / "manage.py").is_file():
            return folder
        if (folder / ".git").exists():
            return start
    return start


def load_topology(root: Path, environment: str = "", tree: Path | None = None) -> Topology:
    """Read `root`/nuages.toml as it reads in an environment, or take the one-machine default. Raises TopologyError.

    `environment`: "" is the one that `nuages -e` chose, else production. `tree`: a checkout of one commit; its nuages.toml
    counts where it has one.
    """
    path = tree / FILE if tree and (tree / FILE).is_file() else root / FILE
    environment = environment or os.environ.get(environments.CHOSEN) or environments.PRODUCTION
    if not path.is_file():
        environments.chosen({}, environment)
        return Topology(root=root, name=site_name(root.name), tree=tree)
    try:
        topology = replace(load_text(root, path.read_text(encoding="utf-8"), environment), tree=tree)
        lab = os.environ.get(REHEARSAL)
        topology = servers.rehearsed(topology, lab) if lab and topology.remote else topology
        key = os.environ.get(DEPLOY_KEY)
        return with_deploy_key(topology, key) if key and topology.remote else topology
    except UnicodeDecodeError as error:
        raise TopologyError(f"not valid TOML: {error}", where=FILE) from error


def load_text(root: Path, text: str, environment: str = environments.PRODUCTION) -> Topology:
    """The text of a nuages.toml that lies, or will lie, in `root`. Raises TopologyError."""
    try:
        declared = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits or 5,000 brackets is no TOMLDecodeError
        raise TopologyError(f"not valid TOML: {error}", where=FILE) from error
    return _topology(root, declared, environment)


def site_name(folder: str) -> str:
    """A name that is safe in paths and process lists, from whatever the folder is called."""
    return re.sub(r"[^a-z0-9-]+", "-", folder.lower()).strip("-")[:LONGEST].rstrip("-") or "site"


def _topology(root: Path, text: Mapping[str, Any], environment: str) -> Topology:
    known = tomllib.loads(REFERENCE.read_text(encoding="utf-8"))
    _compare(text, known, "")
    environments.refuse_unfit_names(text)
    declared = environments.chosen(text, environment)
    get = {table: declared.get(table, {}) for table in known}
    project, serve, tls = get["project"], get["serve"], get["tls"]
    name = _name(root, text, declared, environment)
    port = declared.get("port", 0)
    if not 0 <= port < 65536:  # noqa: PLR2004
        raise TopologyError(f"{port} is not a port", where="port", hint="0 to 65535; 0 picks a free one")
    plain: dict[str, Any] = {k: declared[k] for k in ("bind", "keep", "accept", "protected") if k in declared}
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in {**plain, **project, **serve}.items()}
    hosts = servers.hosts_of(get["hosts"])
    plain |= servers.alternatives(serve, remote=bool(hosts))
    servers.refuse_unfit(root, plain, tls, declared.get("domains", []))
    return Topology(
        root=root,
        name=name,
        environment=environment,
        environments=environments.names_of(text),
        port=port,
        domains=tuple(_domain(d, i) for i, d in enumerate(declared.get("domains", []))),
        scale={k: _count(v, f"scale.{k}") for k, v in get["scale"].items()},
        processes=dict(get["processes"]),
        health=Health(**get["health"]),
        tls=Tls(**tls),
        migrations=Migrations(**get["migrations"]),
        pipeline=pipeline_of(get["pipeline"]),
        hooks=hooks_of(get["hooks"]),
        notify=notify_of(get["notify"]),
        errors=errors_of(get["errors"]),
        silenced=tuple(Silence(k, v) for k, v in get["checks"].get("silence", {}).items()),
        overrides=dict(get["settings"]),
        scrub=scrub_of(get["scrub"]),
        leave=tuple(get["overlay"].get("leave", [])),
        hosts=hosts,
        services=Services(**get["services"]),
        backups=backups_of(get["backups"]),
        dashboard=dashboard_of(get["dashboard"]),
        cron=servers.cron_of(declared.get("cron", [])),
        declared=True,
        **plain,
    )


def _name(root: Path, text: Mapping[str, Any], declared: Mapping[str, Any], environment: str) -> str:
    name = declared.get("name")
    if name is None:
        name = str(text.get("name") or site_name(root.name))
        if environment != environments.PRODUCTION:
            name = environments.site_of(name, environment, LONGEST)
    if site_name(name) != name:
        raise TopologyError(
            f"{name!r}: use small letters, digits and hyphens",
            where="name",
            hint=f'name = "{site_name(name)}"',
        )
    return name


def _compare(declared: Mapping[str, Any], known: Mapping[str, Any], path: str) -> None:
    for key, value in declared.items():
        where = f"{path}{key}"
        if key not in known:
            import difflib

            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else "known here: " + ", ".join(sorted(known))
            raise TopologyError(f"there is no key called {key!r}", where=where, hint=hint)
        if where in OPEN_TABLES:
            _open_table(value, where)
        elif where == "hosts":
            _many(value, known[key], where)
        elif where == "env":
            _environments(value, known)
        elif where == "cron":
            _many(dict(enumerate(value)) if isinstance(value, list) else value, {"0": known[key][0]}, where)
        else:
            _check_value(value, known[key], where)


def _environments(value: Any, known: Mapping[str, Any]) -> None:
    """Each has every key that the file has, but no environments of its own."""
    inside = {key: example for key, example in known.items() if key != "env"}
    if not isinstance(value, dict):
        raise TopologyError(f"should be a table, is {_kind(value)}", where="env", hint="[env.staging]")
    for name, table in value.items():
        if not isinstance(table, dict):
            raise TopologyError(f"should be a table, is {_kind(table)}", where=f"env.{name}")
        try:
            _compare(table, inside, "")
        except TopologyError as error:
            error.where = f"env.{name}.{error.where}"
            raise


def _many(value: Any, known: Mapping[str, Any], where: str) -> None:
    """Tables under names of the user's own, each with the keys of the one example."""
    if not isinstance(value, dict):
        raise TopologyError(f"should be a table, is {_kind(value)}", where=where, hint="see `nuages init`")
    example = next(iter(known.values()))
    for name, table in value.items():
        if not isinstance(table, dict):
            raise TopologyError(f"should be a table, is {_kind(table)}", where=f"{where}.{name}")
        for key, item in table.items():
            _compare({key: item}, example, f"{where}.{name}.")


def _check_value(value: Any, example: Any, where: str) -> None:
    fits = isinstance(value, type(example)) or (where in FRACTIONS and isinstance(value, float))
    if not fits or (isinstance(value, bool) and not isinstance(example, bool)):
        raise TopologyError(
            f"should be {_kind(example)}, is {_kind(value)}",
            where=where,
            hint=f"for example {where.rsplit('.', maxsplit=1)[-1]} = {_toml(example)}",
        )
    if isinstance(value, dict) and where == "checks.silence":
        for id_, reason in value.items():
            if not isinstance(reason, str) or not reason.strip():
                raise TopologyError("say why, as text", where=f"{where}.{id_}")
    elif isinstance(value, dict):
        _compare(value, example, f"{where}.")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise TopologyError("should be a list of strings", where=where)
    if where in CHOICES and value not in CHOICES[where]:
        import difflib

        close = difflib.get_close_matches(str(value), CHOICES[where], 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise TopologyError(
            f"there is no {value!r}",
            where=where,
            hint=hint + "one of: " + ", ".join(filter(None, CHOICES[where])),
        )
    _check_range(value, where)


def _check_range(value: Any, where: str) -> None:
    if where in FRACTIONS and not math.isfinite(value):
        raise TopologyError(f"{value} is no number of seconds", where=where)
    if where in POSITIVE and value <= 0:
        raise TopologyError(f"{value} should be more than 0", where=where)
    if where in NOT_NEGATIVE and value < 0:
        raise TopologyError(f"{value} should not be less than 0", where=where)
    if where == "health.path" and not re.fullmatch(r"/[!-~]*", value):
        raise TopologyError(
            f"{value!r} is not a path", where=where, hint='it starts with / and holds no spaces: path = "/health"'
        )


def _open_table(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise TopologyError(f"should be a table, is {_kind(value)}", where=where)
    for key, item in value.items():
        wanted = OPEN_TABLES[where]
        if not isinstance(item, wanted) or (wanted is int and isinstance(item, bool)):
            raise TopologyError(f"should be {_kind(wanted())}, is {_kind(item)}", where=f"{where}.{key}")
        if where == "settings" and not key.isupper():
            raise TopologyError("Django settings are written in capitals", where=f"{where}.{key}", hint=key.upper())
        if where == "processes" and "\0" in str(item):
            raise TopologyError("a command can't hold a NUL byte", where=f"{where}.{key}")
        if where == "processes" and not re.fullmatch(r"[A-Za-z0-9_-]+", key):
            raise TopologyError("use letters, digits, _ and - in the name of a process", where=f"{where}.{key!r}")


def _count(value: int, where: str) -> int:
    if not 0 <= value <= 512:  # noqa: PLR2004
        raise TopologyError(f"{value} is not a number of processes", where=where)
    return value


def _domain(value: str, index: int) -> str:
    if not re.fullmatch(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}", value.lower()):
        raise TopologyError(
            f"{value!r} is not a domain",
            where=f"domains.{index}",
            hint="a name such as shop.example, without https:// and port",
        )
    return value.lower()


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), type(value).__name__)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
