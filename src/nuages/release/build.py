"""Build a release into the store: source, runtime, front end, translations, hashed and compressed static files.

A build never sees production secrets: it runs with typed placeholders. It fills the store only; nothing live refers
to it before the plan is applied. The same input has the same id, and a build that is there is never made again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nuages.errors import ReleaseError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport
from nuages.project.model import Project
from nuages.release.bytecode import compile_build
from nuages.release.frontend import build_front_end, forget_packages
from nuages.release.layout import Layout
from nuages.release.shipped import RUNTIME, runtime_digest
from nuages.release.source import Source
from nuages.release.static import collect_static
from nuages.release.writable import lay_config_files, lead_to_site, link_config_files, outermost, set_aside


KEPT_HERE = 5  # builds, and environments, of a site that lives on servers
DAY = 86400
MIGRATIONS = "migrations.json"


@dataclass(frozen=True)
class Build:
    """An immutable build. `id` names it; `path` is where it is in the store."""

    id: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def source(self) -> Path:
        return self.path / "source"

    @property
    def manage_dir(self) -> Path:
        return (self.source / str(self.manifest["manage"])).parent

    @property
    def environ(self) -> dict[str, str]:
        """What every process of this build needs to find its code and settings."""
        return python_environment(self.source, self.manifest["paths"], self.manifest["settings_module"])


def build_id(source: Source, environment_key: str, choices: Mapping[str, Any]) -> str:
    """Same files, same lock and Python, same overlay, same build choices: same id."""
    text = json.dumps([source.digest, environment_key, runtime_digest(), choices], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def scratch_release(folder: Path, policy: Mapping[str, Any], runtime: Path) -> Path:
    """A directory that NUAGES_RELEASE may point to while building: policy and the build's own runtime, no secrets."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.json").write_text(json.dumps(policy, indent=1, default=str))
    (folder / "runtime").symlink_to(runtime)
    return folder


@dataclass(frozen=True)
class Order:
    """What to build, and for whom. The build is made in `store`; its links lead to where the `site` lives, which is the
    same place on this machine. `bytecode`: the site's Python reads what this one compiles."""

    project: Project
    source: Source
    store: Layout
    site: Layout
    policy: Mapping[str, Any]
    environ: Mapping[str, str]
    config_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    bytecode: bool = True


def build_release(order: Order, id_: str, here: Transport, progress: Progress) -> Build:
    """Return the build with this id, made now unless it is in the store. Raises ReleaseError; a broken build leaves nothing."""
    store = order.store
    path = store.build(id_)
    if (path / "manifest.json").exists():
        return load_build(store, id_)
    partial = path.with_name(f"{id_}.{os.getpid()}.partial")
    try:
        _fill(partial, order, here, progress)
        manifest = {**_manifest(id_, order.project, order.source, partial), "graph": _migrations(order.project, partial)}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
        if (path / "manifest.json").exists():  # somebody built the same beside us, and may be serving it already
            return load_build(store, id_)
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    except OSError as error:
        raise _unwritten(error, path) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if order.site != store:
        _forget_old(store, order.project.environment.key)
    return Build(id_, path, manifest)


def _forget_old(store: Layout, environment: str) -> None:
    """Releases are kept on the servers; here the last few spare work. What was made within a day may be in use beside us."""
    for folder, keep in ((store / "releases", ""), (store.venvs, environment)):
        found = (
            [p for p in folder.iterdir() if p.is_dir() and p.name != keep and not p.name.startswith(".")]
            if folder.is_dir()
            else []
        )
        newest = sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)
        for old in newest[KEPT_HERE:]:
            if time.time() - old.stat().st_mtime > DAY:
                shutil.rmtree(old, ignore_errors=True)


def _unwritten(error: OSError, path: Path) -> ReleaseError:
    """shutil.copytree collects its errors into one that has neither number nor file."""
    where = str(error.filename or path)
    if error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
        return ReleaseError("the disk is full", where=where, hint="free some space and run the same command again")
    return ReleaseError(f"can't write the release: {error.strerror or str(error)[:300]}", where=where)


def load_build(layout: Layout, id_: str) -> Build:
    path = layout.build(id_)
    try:
        return Build(id_, path, json.loads((path / "manifest.json").read_text()))
    except (OSError, ValueError) as error:
        raise ReleaseError(
            f"build {id_} is not on this host any more", where=str(path), hint="deploy the commit again"
        ) from error


def _fill(partial: Path, order: Order, here: Transport, progress: Progress) -> None:
    project, policy, source, aside = order.project, order.policy, partial / "source", partial / "writable"
    copy_source(order.source, source)
    shutil.copytree(RUNTIME, partial / "runtime" / "nuages_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    set_aside(source, aside, project.files.writable)
    with tempfile.TemporaryDirectory(prefix="nuages-build-") as folder:
        lay_config_files(source, Path(folder, "config-files"), order.config_files)
        build_front_end(source, project, tuple(policy.get("build_commands") or ()), order.environ, here, progress)
        here_policy = moved(policy, source, project) | {"phase": "build", "static_root": str(partial / "static")}
        release = scratch_release(Path(folder), here_policy, partial / "runtime")
        env = {
            **order.environ,
            "NUAGES_RELEASE": str(release),
            **python_environment(source, import_paths(project), project.probe.settings_module),
        }
        _translations(project, env, here, progress)
        if order.bytecode:
            python = project.environment
            compile_build(partial, python.executable, python.python.version, here, order.store / "releases")
        collect_static(partial, project, order.store, env, here, progress)
        link_config_files(source, order.site, order.config_files)
    forget_packages(source, project)
    lead_to_site(source, aside, order.site, project.files.writable)
    if order.site == order.store:  # pending migrations are looked at with this code before a plan fills the folders
        for name in outermost(project.files.writable):
            (order.site.shared("files") / name).mkdir(parents=True, exist_ok=True)


def moved(policy: Mapping[str, Any], source: Path, project: Project) -> dict[str, Any]:
    """The same policy for another copy of the source."""
    return {
        **policy,
        "project": str(source),
        "manage_dir": str(source / project.files.manage_dir.relative_to(project.files.root)),
    }


def python_environment(source: Path, paths: Sequence[str], settings_module: str) -> dict[str, str]:
    found = os.pathsep.join(str(source / part) for part in paths)
    return {"DJANGO_SETTINGS_MODULE": settings_module, "PYTHONPATH": found, "PYTHONUNBUFFERED": "1"}


def import_paths(project: Project) -> list[str]:
    """Where modules are found, relative to the source: beside manage.py, at the root, and where the project's package lies."""
    manage_dir = str(project.files.manage_dir.relative_to(project.files.root))
    return list(dict.fromkeys([manage_dir, ".", *project.files.requirements.sources]))


def copy_source(source: Source, target: Path) -> None:
    """Copy with times kept, so that collectstatic sees what did not change."""
    for name in source.files:
        to = target / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source.root / name, to, follow_symlinks=False)


def _translations(project: Project, env: Mapping[str, str], here: Transport, progress: Progress) -> None:
    if not project.files.translations or shutil.which("msgfmt") is None:
        return
    progress("compiling translations")
    manage_dir = env["PYTHONPATH"].split(os.pathsep)[0]
    here.run(
        Command(
            (project.environment.executable, "-m", "django", "compilemessages", "--ignore", "node_modules"),
            cwd=manage_dir,
            env=env,
        )
    )


def _manifest(id_: str, project: Project, source: Source, partial: Path) -> dict[str, Any]:
    static = partial / "static"
    return {
        "build": id_,
        "commit": source.commit,
        "branch": source.branch,
        "dirty": source.dirty,
        "files": len(source.files),
        "source": source.digest,
        "python": project.environment.python.version,
        "django": project.probe.django,
        "venv": project.environment.key,
        "environment": project.environment.path,
        "writable": outermost(project.files.writable),
        "runtime": runtime_digest(),
        "settings_module": project.probe.settings_module,
        "manage": project.files.manage,
        "paths": import_paths(project),
        "wsgi": project.files.wsgi,
        "asgi": project.files.asgi,
        "interface": project.interface,
        "processes": [asdict(p) for p in project.processes],
        "static_files": sum(1 for p in static.rglob("*") if p.is_file()) if static.is_dir() else 0,
        "versions": dict(project.environment.lock.versions),
        "facts": {k: project.probe.facts.get(k) for k in ("databases", "caches", "media", "static", "channels", "tasks")},
        "reads": sorted({str(found["name"]) for found in project.probe.environ if found.get("name")}),  # variables, no values
    }


def _migrations(project: Project, partial: Path) -> str:
    """Names of its migrations, kept here alone: a manifest is read at every contact. Returns a digest of how they hang together."""
    graph = (project.probe.facts.get("migrations") or {}).get("graph") or {}
    (partial / MIGRATIONS).write_text(json.dumps({"names": sorted(graph)}))
    return hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()[:16] if graph else ""


def describe_source(manifest: Mapping[str, Any]) -> str:
    """How people name this build: the commit, and whether the tree differed from it."""
    commit = str(manifest.get("commit") or "")[:8]
    name = commit or "working tree"
    return f"{name} + changes" if commit and manifest.get("dirty") else name
