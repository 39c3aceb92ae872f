"""Collect, hash and compress static files; skip the work where nothing that feeds it changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from nuages.errors import ReleaseError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport
from nuages.project.model import Project
from nuages.release.layout import Layout
from nuages.release.shipped import runtime_digest


# A change in these alone can't change a static file, as long as the finders are Django's own.
CODE = (
    ".py",
    ".pyi",
    ".html",
    ".md",
    ".rst",
    ".txt",
    ".toml",
    ".cfg",
    ".ini",
    ".po",
    ".mo",
    ".lock",
    ".yml",
    ".yaml",
)
# Heroku's own variables, which its users have in their fingers.
DISABLE, DEBUG = "DISABLE_COLLECTSTATIC", "DEBUG_COLLECTSTATIC"
PLAIN_FINDERS = {
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
}


def collect_static(
    partial: Path,
    project: Project,
    layout: Layout,
    env: Mapping[str, str],
    here: Transport,
    progress: Progress,
) -> None:
    facts = project.probe.facts.get("static") or {}
    if not facts.get("installed", True):
        return
    target = partial / "static"
    if is_on(env, DISABLE):
        progress(f"static files are not collected: {DISABLE} is set")
        target.mkdir()
        return
    key = _key(partial / "source", project) if not is_on(env, DEBUG) else ""
    kept = layout.cache / "static" / key if key else None
    if kept and (kept / ".complete").exists():
        shutil.copytree(kept / "files", target, copy_function=_link)
        return
    progress("collecting static files")
    _run_collectstatic(project, env, here, progress)
    target.mkdir(exist_ok=True)
    if facts.get("compressor_offline"):
        _compress_offline(project, env, here, progress)
    _compress(partial, layout.cache / "compressed", project, here, progress)
    if kept and facts.get("local", True):
        _keep(target, kept)


def is_on(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() not in ("", "0", "false", "no", "off")


def _run_collectstatic(project: Project, env: Mapping[str, str], here: Transport, progress: Progress) -> None:
    debug = is_on(env, DEBUG)
    command = _manage(project, env, "collectstatic", "--noinput", "--verbosity", "2" if debug else "0")
    result = here.run(command, progress if debug else None)
    if result.ok:
        return
    said = result.stderr or result.stdout
    hint = _hint(result.stderr)
    more = "" if debug else f"nuages config set {DEBUG}=1 shows all that it says; {DISABLE}=1 leaves it out"
    raise ReleaseError(
        "collectstatic failed",
        where=project.files.manage,
        detail=_whole(said, env) if debug else _cause(said),
        hint="; ".join(filter(None, (hint, more))),
    )


def _manage(project: Project, env: Mapping[str, str], *words: str) -> Command:
    argv = (project.environment.executable, Path(project.files.manage).name, *words)
    return Command(argv, cwd=env["PYTHONPATH"].split(os.pathsep)[0], env=env, timeout=1200)


def _cause(text: str) -> str:
    """The last line of a traceback says what; two lines before it often say where."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-3:])


def _whole(text: str, env: Mapping[str, str]) -> str:
    """As Heroku's builds show it; names of variables without their values."""
    return f"{text.strip()}\n\nvariables: {', '.join(sorted(env))}"


def _hint(text: str) -> str:
    if "could not be found" in text:
        return "a CSS or JavaScript file refers to a file that is not there: correct the name, or build the front end first"
    return ""


def _compress(partial: Path, kept: Path, project: Project, here: Transport, progress: Progress) -> None:
    """.gz (and .br where brotli is installed) beside each file that shrinks; each content once for all releases."""
    progress("compressing static files")
    argv = (project.environment.executable, "-m", "nuages_runtime.compress", str(partial / "static"), str(kept))
    result = here.run(Command(argv, env={"PYTHONPATH": str(partial / "runtime")}, timeout=1200), progress)
    if not result.ok and "No module named" not in result.stderr:
        raise ReleaseError("static files could not be compressed", detail=result.tail())


def _compress_offline(project: Project, env: Mapping[str, str], here: Transport, progress: Progress) -> None:
    """django-compressor with COMPRESS_OFFLINE serves nothing but what its command wrote beside the static files."""
    progress("running manage.py compress (COMPRESS_OFFLINE)")
    result = here.run(_manage(project, env, "compress", "--force"))
    if not result.ok:
        raise ReleaseError(
            "manage.py compress failed; COMPRESS_OFFLINE needs what it writes",
            where=project.files.manage,
            detail=_cause(result.stderr or result.stdout),
        )


def _key(source: Path, project: Project) -> str:
    """What static files are made from; "" where a finder of the project's own may read anything."""
    facts = project.probe.facts.get("static") or {}
    if facts.get("compressor_offline"):
        return ""  # made from templates too
    if not set(facts.get("finders") or ()) or not set(facts["finders"]) <= PLAIN_FINDERS:
        return ""
    total = hashlib.sha256()
    relevant = {k: v for k, v in facts.items() if k != "root"}
    text = json.dumps(
        [project.environment.key, runtime_digest(), relevant, project.probe.facts.get("apps")],
        sort_keys=True,
        default=str,
    )
    total.update(text.replace(str(source), "").encode())
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix not in CODE and "__pycache__" not in path.parts:
            total.update(
                str(path.relative_to(source)).encode("utf-8", "surrogateescape")
                + b"\0"
                + hashlib.sha256(path.read_bytes()).digest()
            )
    return total.hexdigest()[:20]


def _keep(target: Path, kept: Path) -> None:
    partial = kept.with_name(f"{kept.name}.{os.getpid()}.partial")
    shutil.copytree(target, partial / "files", copy_function=_link)
    (partial / ".complete").touch()
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(kept)
    for old in sorted(kept.parent.iterdir(), key=lambda p: p.stat().st_mtime)[:-4]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
