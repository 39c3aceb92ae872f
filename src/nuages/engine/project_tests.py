"""The project's own tests, before anything is changed: in a copy of exactly what is deployed, on this machine.

They get the release's packages and what the project declares for development, in an environment of its own; the project's
own settings, as on a developer's desk; stand-ins for variables that these can't do without; and a throw-away database.
Nothing of production's configuration is given to them. The same files, packages and command that passed are not run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nuages.engine import throwaway
from nuages.engine.inspecting import Inspected, Work, forget, policy_of, series_of, server_lock, stack_of
from nuages.engine.request import Console, Request
from nuages.environments import build_environment, make_lock
from nuages.environments.development import development_lines
from nuages.environments.model import Environment
from nuages.errors import CommandTimeoutError, EnvironmentBuildError, PipelineError
from nuages.hosts.command import Command
from nuages.project.standing_in import StandIns, find_stand_ins, settings_of_desk
from nuages.project.test_runner import SUMMARY, Runner, choose_runner, pytest_options
from nuages.release.build import copy_source
from nuages.release.shipped import RUNTIME


TAIL = 30  # lines of a failure that are shown
KEPT = 3  # environments for tests, and 50 results
RESULTS = 50
USES_POSTGRESQL = re.compile(r"django\.contrib\.postgres|django\.contrib\.gis|pgvector|psqlextra")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Passed:
    """`summary` in the words of the runner; `seconds_ago` where it was remembered."""

    summary: str
    seconds_ago: float | None = None


def pass_tests(request: Request, work: Work, inspected: Inspected, console: Console) -> None:
    """A deploy's own step. A plan runs nothing, and says so."""
    if request.only_plan:
        console.note("the tests run with the deploy, before anything is changed: nuages test runs them now")
        return

    def say(line: str) -> None:
        console.progress(
            line
        )  # its lines begin with a blank: with -v, and as one that changes. The end of what fails is in the error

    passed = run_tests(work, inspected, say, console.note, again=request.rerun_tests)
    again = "" if passed.seconds_ago is None else "; these files passed before, and --rerun-tests runs them again"
    console.note(f"tests: {passed.summary}{again}")


def run_tests(work: Work, inspected: Inspected, say: Say, note: Say, *, again: bool = False) -> Passed:
    """Raises PipelineError with the end of the output where one fails; nothing has been changed then."""
    root = inspected.source.root
    lines, places = development_lines(root, inspected.project.environment.lock.versions)
    environment = _environment(work, inspected, lines, places)
    runner = choose_runner(work.topology.pipeline.tests or "auto", root, inspected.project.files.manage, environment)
    kept = work.store.cache / "tests" / f"{_key(work, inspected, environment, runner)}.json"
    before = _remember(kept)
    if before and not again:
        return before
    say(f"tests: {runner}")
    with tempfile.TemporaryDirectory(prefix="nuages-tests-") as folder:
        said = _run(work, inspected, environment, runner, Path(folder), say, note)
    summary = next((line.strip("= ") for line in reversed(said) if SUMMARY.match(line.strip())), "passed")
    _keep(kept, summary)
    return Passed(summary)


# --- its environment ---------------------------------------------------------------------------------------------


def _environment(work: Work, inspected: Inspected, lines: tuple[str, ...], places: tuple[str, ...]) -> Environment:
    """The release's own where the project declares nothing more; else one beside it, never the release's with more in it."""
    project = inspected.project
    if not lines:
        return project.environment
    topology, files, machine = work.topology, project.files, work.live.machine
    served = topology.remote and machine.arch
    versions = server_lock(work, files, project.interface, machine)[1].versions if served else None
    python = topology.python or series_of(work, files)
    stack = (*stack_of(work, project.interface), *lines)
    try:
        lock = make_lock(
            work.here, topology.source, files.requirements, files.python_hints, python, stack, work.store / "locks", work.progress,
            prefer=versions,
        )  # fmt: skip
    except EnvironmentBuildError as error:
        error.where = ", ".join(places) or error.where
        raise
    store = work.store.cache / "tests-venvs"
    environment = build_environment(work.here, lock, store, work.progress, compile_bytecode=False)
    forget(store, KEPT)
    return environment


# --- memory ------------------------------------------------------------------------------------------------------


def _key(work: Work, inspected: Inspected, environment: Environment, runner: Runner) -> str:
    pipeline = work.topology.pipeline
    parts = (inspected.source.digest, environment.key, runner.argv, runner.folder, pipeline.tests_database)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _remember(path: Path) -> Passed | None:
    try:
        kept = json.loads(path.read_text())
        return Passed(str(kept["summary"]), max(0.0, time.time() - float(kept["at"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, summary: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"summary": summary, "at": time.time()}))
    forget(path.parent, RESULTS)


# --- the run -----------------------------------------------------------------------------------------------------


def _run(
    work: Work, inspected: Inspected, environment: Environment, runner: Runner, folder: Path, say: Say, note: Say
) -> list[str]:
    source = folder / "source"
    stand_ins = _stand_ins(work, inspected, environment, folder / "probe")
    copy_source(inspected.source, source)
    for name, text in stand_ins.files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    for name in stand_ins.folders:
        (source / name).mkdir(parents=True, exist_ok=True)
    with _database(work, inspected, stand_ins, note) as database:
        env = _variables(inspected, environment, stand_ins, database, source)
        command = Command(runner.argv, env=env, cwd=str(source / runner.folder), timeout=work.topology.pipeline.tests_within)
        return _carried_out(work, command, runner, source, say)


def _carried_out(work: Work, command: Command, runner: Runner, source: Path, say: Say) -> list[str]:
    said: list[str] = []
    place = f"{source}/"

    def hear(line: str) -> None:
        said.append(line.replace(place, ""))  # as the project's own folder has it
        say(f"  {said[-1]}")

    hint = "`nuages test` runs them alone; --skip tests deploys without them"
    try:
        result = work.here.run(command, hear)
    except CommandTimeoutError as error:
        within = f"{command.timeout:g} s"
        raise PipelineError(
            f"the tests did not end within {within}; nothing was changed", where=str(runner), detail=_end(said),
            hint=f"tests_within under [pipeline]; {hint}",
        ) from error  # fmt: skip
    if not result.ok:
        what = f"the tests failed (status {result.status}); nothing was changed"
        raise PipelineError(what, where=str(runner), detail=_end(said), hint=hint)
    return said


def _end(said: list[str]) -> str:
    return "\n".join(said[-TAIL:])


def _stand_ins(work: Work, inspected: Inspected, environment: Environment, scratch: Path) -> StandIns:
    """Asked with the settings of a developer's desk, which the tests will use."""
    files, source = inspected.project.files, inspected.source
    options = pytest_options(source.root) or {}
    module = options.get("DJANGO_SETTINGS_MODULE") or settings_of_desk(files, source.root)
    desk = replace(files, root=source.root, settings=module)

    def policy_for(project_dir: Path) -> dict[str, object]:
        interface = inspected.project.interface
        return policy_of(work.topology, work.live, desk, project_dir, phase="probe", interface=interface)

    def aside(line: str) -> None:
        work.progress(f" {line}")  # what it needs gets a stand-in, and nobody has to do anything

    return find_stand_ins(desk, environment, work.here, source.files, scratch, RUNTIME, policy_for, aside)


def _variables(
    inspected: Inspected, environment: Environment, stand_ins: StandIns, database: throwaway.Database | None, source: Path
) -> dict[str, str]:
    """No variable of the site's configuration, and none of whoever deploys but what finds programs."""
    import os

    files = inspected.project.files
    options = pytest_options(source) or {}
    paths = [str((source / files.manage).parent), str(source), *(str(source / part) for part in files.requirements.sources)]
    settings = {} if options.get("DJANGO_SETTINGS_MODULE") else {"DJANGO_SETTINGS_MODULE": settings_of_desk(files, source)}
    leading = database.variables({*stand_ins.reads, "DATABASE_URL"}) if database else {}
    return {
        **stand_ins.variables,
        **leading,
        **settings,
        "PATH": os.pathsep.join((f"{environment.path}/bin", os.environ.get("PATH", os.defpath))),
        "VIRTUAL_ENV": environment.path,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUAGES_TESTS": "1",
    }


@contextlib.contextmanager
def _database(work: Work, inspected: Inspected, stand_ins: StandIns, note: Say) -> Iterator[throwaway.Database | None]:
    vendor = choose_database(work.topology.pipeline.tests_database, inspected, stand_ins)
    if vendor == "postgresql" and not throwaway.postgresql_programs() and _may_be_sqlite(work, inspected, stand_ins):
        note("tests: on SQLite, for PostgreSQL's programs are not on this machine (production has PostgreSQL)")
        vendor = "sqlite"
    if not vendor:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="nuages-tests-db-") as folder:
        if vendor == "sqlite":
            yield throwaway.sqlite(Path(folder))
            return
        with throwaway.postgresql(work.here, Path(folder)) as database:
            yield database


def choose_database(wish: str, inspected: Inspected, stand_ins: StandIns) -> str:
    """sqlite, postgresql, or "" where the settings name one in their own words: then it is the developer's, as always."""
    if wish != "auto":
        return wish
    led = {throwaway.part_of(name) for name in stand_ins.reads} & {"url", "host", "engine"}
    facts = inspected.project.probe.facts.get("databases") or {}
    engines = " ".join([*stand_ins.engines, *(str(d.get("engine", "")) for d in facts.values())])
    if not led:
        return ""
    return "postgresql" if "postg" in engines else "sqlite"


def _may_be_sqlite(work: Work, inspected: Inspected, stand_ins: StandIns) -> bool:
    led = {throwaway.part_of(name) for name in stand_ins.reads} & {"url", "engine"}
    if work.topology.pipeline.tests_database != "auto" or not led:
        return False
    root = inspected.source.root
    texts = (
        (root / name).read_text(encoding="utf-8", errors="replace") for name in inspected.source.files if name.endswith(".py")
    )
    return not any(USES_POSTGRESQL.search(text) for text in texts)
