"""A build that runs at one site, brought to another of the same project without being built again.

On one host it is a matter of hard links. Between hosts the build and its unpacked wheels travel as one archive through
this machine, named by its digest like every piece.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.environments import hook
from nuages.environments.placing import LONGEST, MOST_JOBS, piece_path, program
from nuages.errors import ReleaseError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport
from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.release.writable import fill_command


MANIFEST = "manifest.json"
PACK = """\
set -e; cd "$1"; { printf '%s\\0' "releases/$2" "venvs/$3/nuages-wheels" "venvs/$3/nuages-complete"
sed 's|^|venvs/.wheels/|' "venvs/$3/nuages-wheels" | tr '\\n' '\\0'; } | tar -cz --null -T - -f "$4/archive"
"""


@dataclass(frozen=True)
class Origin:
    """A live build where it lies now. `python` is the interpreter that its environment was made with."""

    host: Transport
    layout: Layout
    build: Build
    python: str

    @property
    def venv(self) -> str:
        return Path(str(self.build.manifest["environment"])).name


def origin(host: Transport, layout: Layout, build: Build) -> Origin:
    link = Command(("readlink", "-f", f"{build.manifest['environment']}/bin/python"))
    python = host.run(link).stdout.strip()
    if not python.startswith("/"):
        what = f"the environment of {build.id} is not whole"
        raise ReleaseError(what, where=f"{host.name}: {build.manifest['environment']}", hint="deploy there again first")
    return Origin(host, layout, build, python)


def bring(
    origin: Origin, host: Transport, layout: Layout, progress: Progress, *, same: bool, account: str = "", cores: int = 1
) -> Build:
    """The build as it lies at another site. `same`: both sites are on one host. Raises ReleaseError where that host lacks
    the Python of the build, and whatever the program there says.

    Fills the store; nothing live refers to what it brings. `account`: of the site, where there is one yet.
    """
    build, environment = origin.build, str(layout.venvs / origin.venv)
    to, marker = layout.build(build.id), f"{environment}/nuages-complete"
    asked: dict[str, dict[str, Any]] = {
        "manifest": {"kind": "json", "path": str(to / MANIFEST)},
        "files": {"kind": "files", "paths": [marker, origin.python]},
    }
    there = host.read(asked)
    if there["manifest"] and there["manifest"].get("environment") == environment and there["files"][marker]:
        return Build(build.id, to, there["manifest"])
    if not there["files"][origin.python]:
        what = f"{host.name} has no {origin.python}, which {build.id} was made for"
        raise ReleaseError(what, hint=f"nuages deploy builds it for the Python of {host.name}")
    folder = origin.layout if same else Layout(layout / "promoted")
    fetch = [] if same else _travel(origin, host, layout, folder, progress)
    tool = program()
    host.ship({tool.name: tool}, str(layout / "store"), progress)
    ops = [*fetch, *_adopt(origin, layout, folder, environment, account, min(cores, MOST_JOBS), tool.name)]
    manifest = {**build.manifest, "environment": environment}
    fill = fill_command(to, manifest, layout, f"{environment}/bin/python", account) if account else None
    if fill:
        ops.append({"op": "run", "argv": list(fill.argv), "env": {}, "timeout": fill.timeout, "user": account})
    ops += [] if same else [{"op": "remove", "paths": [str(folder.dir)]}]
    text = f"+ {host.name}  build {build.id}, as {origin.layout.dir.name} has it"
    undo = [] if same else [{"op": "remove", "paths": [str(folder.dir)]}]
    host.write([{"text": text, "ops": ops, "undo": undo}], str(layout.journal), lambda _event: None)
    return Build(build.id, to, manifest)


def _adopt(
    origin: Origin, layout: Layout, folder: Layout, environment: str, account: str, jobs: int, tool: str
) -> list[dict[str, Any]]:
    manifest = origin.build.manifest
    adopt = {
        "venv": str(folder.venvs / origin.venv),
        "trees": str(folder.venvs / ".wheels"),
        "build": str(folder.build(origin.build.id)),
        "to": str(layout.build(origin.build.id)),
        "sites": [str(origin.layout.dir), str(layout.dir)],
    }
    spec = {"path": environment, "version": manifest["python"], "group": account, "hook": dict(hook.FILES), "jobs": jobs}
    note = str(layout.venvs / f".{origin.venv}.json")
    command = [origin.python, "-I", str(piece_path(layout / "store", tool)), note]
    return [
        {"op": "file", "path": note, "content": json.dumps({**spec, "adopt": adopt}), "mode": 0o600},
        {"op": "mkdir", "path": str(layout / "releases"), "mode": 0o750},  # as the account's component has it
        {"op": "run", "argv": command, "env": {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}, "timeout": LONGEST},
        {"op": "remove", "paths": [note]},
    ]


def _travel(origin: Origin, host: Transport, layout: Layout, folder: Layout, progress: Progress) -> list[dict[str, Any]]:
    """Through this machine, and not kept here."""
    progress(f"bringing {origin.build.id} from {origin.host.name} to {host.name}")
    with tempfile.TemporaryDirectory(prefix="nuages-promoting-") as scratch:
        archive = _packed(origin, Path(scratch), progress)
        host.ship({archive.name: archive}, str(layout / "store"), progress)
        digest = archive.name
    piece = str(piece_path(layout / "store", digest))
    unpack = ["tar", "-xzf", piece, "-C", str(folder.dir), "--no-same-owner"]
    return [
        {"op": "remove", "paths": [str(folder.dir)]},
        {"op": "mkdir", "path": str(folder.dir), "mode": 0o700},
        {"op": "run", "argv": unpack, "env": {"PATH": "/usr/bin:/bin"}, "timeout": LONGEST},
        {"op": "remove", "paths": [piece]},
    ]


def _packed(origin: Origin, scratch: Path, progress: Progress) -> Path:
    partial = scratch / "archive"
    with origin.host.scratch({}) as folder:
        words = (str(origin.layout.dir), origin.build.id, origin.venv, folder)
        origin.host.check(Command(("sh", "-c", PACK, "sh", *words), timeout=LONGEST))
        origin.host.fetch(f"{folder}/archive", partial, progress)
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return partial.rename(scratch / digest)


def policy_there(policy: Mapping[str, Any], old: Layout, new: Layout) -> dict[str, Any]:
    """A release's policy with its paths at another site."""

    def moved(value: Any) -> Any:
        if isinstance(value, str) and (value == str(old.dir) or value.startswith(f"{old.dir}/")):
            return str(new.dir) + value[len(str(old.dir)) :]
        if isinstance(value, dict):
            return {key: moved(each) for key, each in value.items()}
        return [moved(each) for each in value] if isinstance(value, list) else value

    return {key: moved(value) for key, value in policy.items()}
