"""Rounds of questions: the probe runs again with one more stand-in until it imports, or nothing new is found out."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuages.environments.model import Environment
from nuages.errors import ProjectError
from nuages.hosts.command import Command, Result
from nuages.hosts.transport import Progress, Transport
from nuages.project.missing import Wanted, missing_error
from nuages.project.model import Files
from nuages.project.placeholders import SECOND_TRIES, placeholder
from nuages.project.scratch import Scratch, manage_dir
from nuages.secret import Secret


FILE_NAMES = ("_FILE", "_PATH")  # a variable that names a file which holds the key
ROUNDS = 60  # one variable a round; the largest project measured needed 11
PROBE_SECONDS = 120
SECRET_LENGTH = 6  # shorter ones are flags and numbers


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
    made: list[Path] = field(default_factory=list)  # folders that it writes to

    def environ(self) -> dict[str, str | Secret]:
        folder = manage_dir(self.place, self.files)
        path = [str(self.place.release / "runtime"), str(folder)]
        path += [str(self.place.source / part) for part in (".", *self.files.requirements.sources)]
        secret = Secret(secrets.token_urlsafe(48))
        return {
            **self.files.selectors,
            **dict.fromkeys(self.generated, secret),
            **self.stand_ins,
            **self.config,
            "NUAGES_RELEASE": str(self.place.release),
            "NUAGES_SECRET_KEY": secret,
            "NUAGES_SECRET_KEY_FALLBACKS": "[]",
            "DJANGO_SETTINGS_MODULE": self.files.settings,
            "HOME": str(self.place.root / "home"),
            "PYTHONPATH": ":".join(dict.fromkeys(path)),
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
        return self.masked(read_answer(self.place.answer, result, self.places)), result

    def masked(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An error may quote the value that it refuses; those of the configuration are nobody's to read."""
        values = [v.reveal() if isinstance(v, Secret) else v for v in self.config.values()]
        text = json.dumps(answer.get("failure")), json.dumps(answer.get("problems", []))
        for value in sorted((v for v in values if len(v) >= SECRET_LENGTH), key=len, reverse=True):
            text = (
                text[0].replace(json.dumps(value)[1:-1], "***"),
                text[1].replace(json.dumps(value)[1:-1], "***"),
            )
        return {**answer, "failure": json.loads(text[0]), "problems": json.loads(text[1])}


def read_answer(path: Path, result: Result, places: Mapping[str, str]) -> dict[str, Any]:
    """The probe's answer, with the paths of the scratch copy written as those that they stand for."""
    try:
        text = path.read_text()
        for scratch, real in places.items():
            text = text.replace(json.dumps(scratch)[1:-1], json.dumps(real)[1:-1])
        answer = json.loads(text)
    except (OSError, ValueError):
        what = f"the project ends Python while it is imported (status {result.status})"
        raise ProjectError(what, detail=result.tail(8), hint="look at what the settings do when they are imported") from None
    return dict(answer)


def ask_until_known(asked: Asking, progress: Progress) -> dict[str, Any]:
    """Run the probe again with one more stand-in until nothing new is found out."""
    asked.generated = [n for n in asked.files.secret_names if n not in asked.config and not n.endswith(FILE_NAMES)]
    progress("importing the project in a scratch copy")
    answer: dict[str, Any] = {}
    for _ in range(ROUNDS):
        answer, _result = asked.run()
        failures = [f for f in [answer.get("failure"), *answer.get("problems", ())] if f and f.get("kind") != "fact"]
        if not failures:
            break
        helped = [stand_in(asked, failure, progress) for failure in failures]  # every one, not up to the first
        if not any(helped):
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
    "syntax_error": 'correct it; or, if it is written for another Python, say so: python = "3.x" under [project] in nuages.toml',
    "service_refused": "it connects to a service while it is imported; start the service, or connect later",
    "wrong_build": "this version of that package does not fit this Python: require a newer one, or choose another Python",
    "database": "it asks the database while it is imported, before migrations can have run",
}


MISSED = {"missing_module": "module", "missing_library": "package"}


def stand_in(asked: Asking, failure: Mapping[str, Any], progress: Progress) -> bool:
    """Note what a failure says is missing and put something in its place; False when that can't help."""
    kind, name = failure["kind"], str(failure["name"])
    if kind == "missing_variable" and name:
        return variable(asked, name, failure, progress)
    if kind == "missing_folder":
        return folder(asked, Path(name))
    ours = name in asked.stand_ins.values()  # a value of ours was imported as a module: nobody misses that
    if kind in MISSED and not ours:
        asked.wanted.append(Wanted(MISSED[kind], name, failure["where"], failure["what"]))
        return False
    if kind == "missing_file" and name:
        return file(asked, name, failure)
    return second_try(asked, failure)


def variable(asked: Asking, name: str, failure: Mapping[str, Any], progress: Progress) -> bool:
    if name in asked.config:
        return False  # given, and yet refused: the failure itself is the answer
    if name in asked.stand_ins or name in asked.generated:
        return second_try(asked, failure)
    if is_secret_key(name, asked.files):
        asked.generated.append(name)
        return True
    progress(f"needs {name}")
    asked.stand_ins[name] = placeholder(name, database_for(asked), str(asked.place.root / "tmp"))
    asked.wanted.append(Wanted("variable", name, failure["where"], failure["what"]))
    return True


def is_secret_key(name: str, files: Files) -> bool:
    """Django's own key by its name; AWS_SECRET_KEY and STRIPE_SECRET_KEY are other people's."""
    own = re.escape(files.settings.split(".")[0].upper())
    return bool(re.fullmatch(rf"((DJANGO|APP|SITE|{own})_)?SECRET_KEY", name))


def second_try(asked: Asking, failure: Mapping[str, Any]) -> bool:
    """A stand-in may be of the wrong type: where the failure names it, or its line is where it is read, try others."""
    text = f"{failure['what']} {failure['detail']}"
    for wanted in reversed(asked.wanted):
        name = wanted.name
        if wanted.kind != "variable" or not (wanted.where == failure["where"] or re.search(rf"\b{re.escape(name)}\b", text)):
            continue
        tries = asked.refused.get(name, 0)
        if tries < len(SECOND_TRIES):
            asked.refused[name] = tries + 1
            asked.stand_ins[name] = SECOND_TRIES[tries]
            return True
    return False


def file(asked: Asking, name: str, failure: Mapping[str, Any]) -> bool:
    """A file that isn't in the repository: an empty one in the scratch copy may show what else is missing."""
    path = (asked.files.manage_dir / name).absolute()
    inside = path.is_relative_to(asked.files.root)
    shown = str(path.relative_to(asked.files.root)) if inside else name
    if any(w.kind == "file" and w.name == shown for w in asked.wanted):
        return False
    asked.wanted.append(Wanted("file", shown, failure["where"], failure["what"]))
    if inside:
        copy = asked.place.source / shown
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("{}" if path.suffix == ".json" else "")
    return inside


def folder(asked: Asking, path: Path) -> bool:
    """A folder that the project writes to and that isn't in its repository: releases make it, nobody is asked."""
    if not path.is_relative_to(asked.files.root) or path in asked.made:
        return False
    asked.made.append(path)
    (asked.place.source / path.relative_to(asked.files.root)).mkdir(parents=True, exist_ok=True)
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
