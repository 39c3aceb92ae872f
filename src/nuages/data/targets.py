"""Where a pulled database goes on this machine: the site that runs here, a file, or a database that a URL names."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nuages.data.dump import stamp
from nuages.data.hand import PROGRAMS, Place, place_of
from nuages.data.pull import take_out
from nuages.errors import DataError, UsageError
from nuages.hosts.command import Command
from nuages.hosts.local import LocalTransport
from nuages.hosts.transport import Progress
from nuages.release.layout import local_site
from nuages.secret import Secret
from nuages.topology import load_topology
from nuages.topology.model import Topology


LONG = 24 * 3600.0
LIBPQ = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "host": "PGHOST", "port": "PGPORT"}


def site_here(topology: Topology) -> tuple[Topology, Place] | None:
    """The site of this project that lives on this machine: an environment without hosts, or what `nuages up` made before
    there were any."""
    names = topology.environments or ("production",)
    found = [load_topology(topology.root, name) for name in names]
    candidates = [each for each in found if not each.remote] or [replace(each, hosts=()) for each in found[:1]]
    for each in candidates:
        layout = local_site(each.name)
        if layout.live.exists():
            return each, replace(place_of(each, LocalTransport()), account="")
    return None


@dataclass(frozen=True)
class Elsewhere:
    """A database of a URL. `shown` holds no password."""

    engine: str
    shown: str
    name: str
    env: Mapping[str, str | Secret]


def elsewhere(url: str, root: Path) -> Elsewhere:
    """Raises UsageError, without the URL in it."""
    scheme = url.partition(":")[0].lower()
    if scheme.startswith("sqlite"):
        name = url.partition("://")[2].removeprefix("/")
        path = str((root / unquote(name)).resolve())
        return Elsewhere("sqlite", path, path, {})
    if scheme not in ("postgres", "postgresql", "postgis"):
        raise UsageError("this address names no database that can be filled", hint="postgres://user@host/name, sqlite:///file")
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    env = {"PGHOST": parts.hostname or "", "PGPORT": str(parts.port or ""), "PGUSER": unquote(parts.username or "")}
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    env |= {LIBPQ[key]: unquote(value) for key, value in query.items() if key in LIBPQ}
    secret = {"PGPASSWORD": Secret(unquote(parts.password))} if parts.password else {}
    kept = {key: value for key, value in env.items() if value}
    where = kept.get("PGHOST", "this machine")
    return Elsewhere("postgresql", f"database {name} on {where}", name, {**kept, **secret, "PGDATABASE": name})


def fill(target: Elsewhere, archive: Path, progress: Progress) -> str:
    """Put what the archive holds there; where what it replaces is kept, or "" where nothing was there."""
    return _fill_sqlite(target, archive) if target.engine == "sqlite" else _fill_postgresql(target, archive, progress)


def _fill_sqlite(target: Elsewhere, archive: Path) -> str:
    """Its pages, in one transaction: a running server sees them at once, and never another file."""
    live = Path(target.name)
    new = live.with_name(f"{live.name}-restore")
    live.parent.mkdir(parents=True, exist_ok=True)
    take_out(archive, new)
    if not live.exists():
        new.replace(live)
        return ""
    kept = live.with_name(f"{live.name}-before-{stamp()}")
    command = Command(
        (sys.executable, "-I", "-S", str(PROGRAMS / "sqlite.py"), "swap", str(live), str(new), str(kept)), timeout=LONG
    )
    result = LocalTransport().run(command)
    if '"error"' in result.stderr or not result.ok:
        new.unlink(missing_ok=True)
        raise DataError("the file could not be replaced", where=str(live), detail=result.tail(), hint="it is as it was")
    return str(kept)


def _fill_postgresql(target: Elsewhere, archive: Path, progress: Progress) -> str:
    """Beside what is there until it is whole: one transaction of pg_restore; what it replaces is dumped first."""
    here = LocalTransport()
    kept = Path(f"{target.name}-before-{stamp()}.dump").resolve()
    progress(f"keeping what {target.shown} holds")
    os.close(os.open(kept, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    try:
        _client(here, target, "pg_dump", "--format=custom", "--no-password", "--file", str(kept))
        with tempfile.TemporaryDirectory() as folder:
            take_out(archive, Path(folder) / "it.dump")
            progress(f"filling {target.shown}")
            how = ("--no-password", "--clean", "--if-exists", "--no-owner", "--no-acl", "--single-transaction")
            _client(here, target, "pg_restore", *how, "--dbname", target.name, f"{folder}/it.dump")
    except DataError:
        kept.unlink(missing_ok=True)
        raise
    return str(kept)


def _client(here: LocalTransport, target: Elsewhere, *argv: str) -> None:
    result = here.run(Command(argv, env=target.env, timeout=LONG))
    if not result.ok:
        hint = "it is as it was; is its PostgreSQL as new as the server's, and does it have the same extensions?"
        raise DataError(f"{argv[0]} failed", where=target.shown, detail=result.tail(8), hint=hint)
