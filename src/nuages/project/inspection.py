"""Ask the project itself: run the probe in a scratch copy until it imports, or until all that is missing is known."""

from __future__ import annotations

import json
import re
import secrets

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuages.environments.model import Environment
from nuages.errors import ProjectError
from nuages.hosts.command import Command, Result
from nuages.hosts.transport import Progress, Transport
from nuages.project.missing import Wanted, missing_error, offered
from nuages.project.model import Files, Missing, Probe, Project
from nuages.project.placeholders import SECOND_TRIES, placeholder
from nuages.project.processes import choose_interface, detect_processes
from nuages.project.scratch import Scratch, make_scratch, snapshot, write_policy
from nuages.project.tree import Tree
from nuages.secret import Secret
from nuages.topology.model import Topology


FILE_NAMES = ("_FILE", "_PATH")  # a variable that names a file which holds the key
ROUNDS = 60  # one variable a round; the largest project measured needed 11
PROBE_SECONDS = 120
PolicyFor = Callable[[Path], Mapping[str, Any]]


def inspect_project(
    files: Files,
    environment: Environment,
    topology: Topology,
    here: Transport,
    config_env: Mapping[str, str | Secret],
    scratch: Path,
    runtime: Path,
    policy_for: PolicyFor,
    progress: Progress,
    *,
    sources: Iterable[str] | None = None,
    config_files: Mapping[str, str] | None = None,
) -> Project:
    """The whole finding, production settings laid over.

    `policy_for(source)` gives the policy for a project that lies in `source`; its phase and the places where the site
    writes are replaced by those of the scratch copy. `sources` are the paths that the release will hold.
    Raises MissingError (everything that is missing, at once) or ProjectError (it does not import).
    """
    paths = list(sources) if sources is not None else list(Tree(files.root).paths)
    place = make_scratch(files.root, paths, scratch, runtime, config_files or {})
    policy = policy_for(place.source)
    write_policy(place, probe_policy(place, policy, files))
    before = snapshot(place.source)
    asked = Asking(files, environment, here, place, dict(config_env), real_places(place, policy, files))
    answer = ask_until_known(asked, progress)
    written = tuple(sorted(set(snapshot(place.source).items()) - set(before.items())))
    return finding(
        files, environment, topology, answer, tuple(dict.fromkeys(path for path, _ in written)), asked
    )


def probe_policy(place: Scratch, policy: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """What the probe may write stays in scratch: settings that open a database at import must not make the site's."""
    ours = {"phase": "probe", "project": str(place.source), "manage_dir": str(manage_dir(place, files))}
    ours |= {"static_root": str(place.root / "static"), "static_serve": str(place.root / "static")}
    ours |= {"media_root": str(place.root / "media"), "data_dir": str(place.root / "data")}
    return {"version": 1, "settings_module": files.settings, "overrides": {}, "leave": [], **policy, **ours}


def real_places(place: Scratch, policy: Mapping[str, Any], files: Files) -> dict[str, str]:
    names = {"static": "static_root", "media": "media_root", "data": "data_dir"}
    found = {str(place.root / name): str(policy[key]) for name, key in names.items() if policy.get(key)}
    return {**found, str(place.source): str(files.root)}


def manage_dir(place: Scratch, files: Files) -> Path:
    return (place.source / files.manage).parent


@dataclass
class Asking:
    """One inspection's rounds of questions."""

    files: Files
    environment: Environment
    here: Transport
    place: Scratch
    config: dict[str, str | Secret]
    places: Mapping[str, str]
    stand_ins: dict[str, str] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)  # name -> how many second tries it had
    wanted: list[Wanted] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)

    def environ(self) -> dict[str, str | Secret]:
        folder = manage_dir(self.place, self.files)
        path = [str(self.place.release / "runtime"), str(folder)]
        path += [str(self.place.source)] if folder != self.place.source else []
        secret = Secret(secrets.token_urlsafe(48))
        return {
            **self.files.selectors,
            **{name: secret for name in self.generated},
            **self.stand_ins,
            **self.config,
            "NUAGES_RELEASE": str(self.place.release),
            "NUAGES_SECRET_KEY": secret,
            "NUAGES_SECRET_KEY_FALLBACKS": "[]",
            "DJANGO_SETTINGS_MODULE": self.files.settings,
            "HOME": str(self.place.root / "home"),
            "PYTHONPATH": ":".join(path),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def run(self) -> tuple[dict[str, Any], Result]:
        argv = [self.environment.executable, "-m", "nuages_runtime.probe"]
        argv += ["--out", str(self.place.answer), "--root", str(self.place.source)]
        argv += ["--wsgi", self.files.wsgi] if self.files.wsgi else []
        argv += ["--asgi", self.files.asgi] if self.files.asgi else []
        self.place.answer.unlink(missing_ok=True)
        command = Command(
            tuple(argv),
            env=self.environ(),
            cwd=str(manage_dir(self.place, self.files)),
            timeout=PROBE_SECONDS,
        )
        result = self.here.run(command)
        return read_answer(self.place.answer, result, self.places), result


def read_answer(path: Path, result: Result, places: Mapping[str, str]) -> dict[str, Any]:
    """The probe's answer, with the paths of the scratch copy written as those that they stand for."""
    try:
        text = path.read_text()
        for scratch, real in places.items():
            text = text.replace(json.dumps(scratch)[1:-1], json.dumps(real)[1:-1])
        answer = json.loads(text)
    except (OSError, ValueError):
        what = f"the project ends Python while it is imported (status {result.status})"
        raise ProjectError(
            what, detail=result.tail(8), hint="look at what the settings do when they are imported"
        ) from None
    return dict(answer)


def ask_until_known(asked: Asking, progress: Progress) -> dict[str, Any]:
    """Run the probe again with one more stand-in until nothing new is found out."""
    asked.generated = [
        n for n in asked.files.secret_names if n not in asked.config and not n.endswith(FILE_NAMES)
    ]
    progress("importing the project in a scratch copy")
    answer: dict[str, Any] = {}
    for _ in range(ROUNDS):
        answer, _result = asked.run()
        failures = [
            f for f in [answer.get("failure"), *answer.get("problems", ())] if f and f.get("kind") != "fact"
        ]
        if not failures:
            break
        if not any([stand_in(asked, failure, progress) for failure in failures]):
            raise_failures(asked, failures)
    if asked.wanted:
        raise missing_error(asked.wanted, asked.files, asked.config)
    return answer


def raise_failures(asked: Asking, failures: list[Mapping[str, Any]]) -> None:
    """Nothing more can be found out: tell what is missing, and what still fails for another reason."""
    first = failures[0]
    if asked.wanted:
        raise missing_error(asked.wanted, asked.files, asked.config, blocked=first)
    hint = HINTS.get(first["kind"], "")
    raise ProjectError(
        f"the project does not import: {first['what']}",
        where=first["where"],
        detail=first["detail"],
        hint=hint,
    )


HINTS = {
    "syntax_error": 'this Python can\'t read it: is another version meant? write python = "3.x" in nuages.toml',
    "service_refused": "it connects to a service while it is imported; start the service, or connect later",
    "database": "it asks the database while it is imported, before migrations can have run",
}


def stand_in(asked: Asking, failure: Mapping[str, Any], progress: Progress) -> bool:
    """Note what a failure says is missing and put something in its place; False when that can't help."""
    kind, name = failure["kind"], str(failure["name"])
    if kind == "missing_variable" and name:
        return variable(asked, name, failure, progress)
    if kind == "missing_module":
        asked.wanted.append(Wanted("module", name, failure["where"], failure["what"]))
        return False
    if kind == "missing_library":
        asked.wanted.append(Wanted("package", name, failure["where"], failure["what"]))
        return False
    if kind == "missing_file" and name:
        return file(asked, name, failure)
    return second_try(asked, failure)


def variable(asked: Asking, name: str, failure: Mapping[str, Any], progress: Progress) -> bool:
    if name in asked.config:
        return False  # given, and yet refused: the failure itself is the answer
    if name in asked.stand_ins or name in asked.generated:
        return second_try(asked, failure)
    if re.search(r"(^|_)SECRET_KEY$", name):
        asked.generated.append(name)
        return True
    progress(f"needs {name}")
    asked.stand_ins[name] = placeholder(name, database_for(asked), str(asked.place.root / "tmp"))
    asked.wanted.append(Wanted("variable", name, failure["where"], failure["what"]))
    return True


def second_try(asked: Asking, failure: Mapping[str, Any]) -> bool:
    """A stand-in may be of the wrong type: where the failure names it, or its line is where it is read, try others."""
    text = f"{failure['what']} {failure['detail']}"
    for wanted in reversed(asked.wanted):
        name = wanted.name
        if wanted.kind != "variable" or not (
            wanted.where == failure["where"] or re.search(rf"\b{re.escape(name)}\b", text)
        ):
            continue
        tries = asked.refused.get(name, 0)
        if tries < len(SECOND_TRIES):
            asked.refused[name] = tries + 1
            asked.stand_ins[name] = SECOND_TRIES[tries]
            return True
    return False


def file(asked: Asking, name: str, failure: Mapping[str, Any]) -> bool:
    """A file that isn't in the repository: an empty one in the scratch copy may show what else is missing."""
    path = Path(name) if Path(name).is_absolute() else manage_dir(asked.place, asked.files) / name
    shown = str(path.relative_to(asked.place.source)) if path.is_relative_to(asked.place.source) else name
    if any(w.kind == "file" and w.name == shown for w in asked.wanted):
        return False
    asked.wanted.append(Wanted("file", shown, failure["where"], failure["what"]))
    if not path.is_relative_to(asked.place.source):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}" if path.suffix == ".json" else "")
    return True


def database_for(asked: Asking) -> str:
    versions = asked.environment.lock.versions
    for family, drivers in {
        "postgres": ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary"),
        "mysql": ("mysqlclient", "pymysql"),
    }.items():
        if any(driver in versions for driver in drivers):
            return f"{family}://placeholder:placeholder@127.0.0.1:1/placeholder"
    return f"sqlite:///{asked.place.root}/data/placeholder.sqlite3"


def finding(
    files: Files,
    environment: Environment,
    topology: Topology,
    answer: Mapping[str, Any],
    written: tuple[str, ...],
    asked: Asking,
) -> Project:
    read = {entry["name"] for entry in answer["environ"]}
    feeding = (*files.secret_names, *asked.generated)
    generated = [name for name in dict.fromkeys(feeding) if name in read and not name.endswith(FILE_NAMES)]
    facts = {
        **answer["facts"],
        "secret_key_names": generated,
        "problems": answer.get("problems", []),
    }
    probe = Probe(
        django=answer["django"],
        python=answer["python"],
        settings_module=answer["settings_module"],
        changes=tuple(answer["changes"]),
        readback=tuple(answer["readback"]),
        facts=facts,
        environ=tuple(answer["environ"]),
        files_written=written,
        checks=tuple(answer["checks"]),
        audit=tuple(answer["audit"]),
    )
    interface = choose_interface(files, topology, facts)
    missing: tuple[Missing, ...] = offered(files, probe)
    return Project(
        files,
        environment,
        probe,
        detect_processes(files, topology, facts, interface),
        interface,
        missing,
        notes(files, probe),
    )


def notes(files: Files, probe: Probe) -> tuple[str, ...]:
    found = [f"{c.what}: {c.chosen} ({c.why})" for c in files.choices]
    major = tuple(int(part) for part in probe.django.split(".")[:2] if part.isdigit())
    if major < (4, 2):
        found.append(f"Django {probe.django} is older than 4.2, the first that is supported in full")
    if probe.files_written:
        found.append("importing the settings writes files: " + ", ".join(probe.files_written[:5]))
    found += list(files.problems)
    return tuple(found)
