"""Try `nuages up` on open Django projects, and write what became of each as a page of the documentation.

    python bench/projects.py FOLDER [NAME...] > docs/reference/projects.md

FOLDER holds one checkout for each project; `FOLDER/NAME.env`, when it is there, holds what the owner would set
(`NAME=value` lines). The first attempt is made without it. Everything runs in a data directory of its own, which is
removed afterwards together with every process; the checkouts are never written to. NUAGES names another executable
than the one of this Python's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path


SECONDS = 600  # for one attempt at one project; the rest of the commands get a tenth
NUAGES = os.environ.get("NUAGES") or str(Path(sys.executable).with_name("nuages"))

# What the owner of a project would set, once told. Values are made up, and only have the right form.
GIVEN: dict[str, dict[str, str]] = {}

INTRODUCTION = """# Open projects

Each project as its developers publish it, without an edit: `nuages up --detach` in its folder. `up` means that it
serves with the production settings in force; "asked for" names what the one message asked for before it came up.
Seconds include building the environment with the package cache as it was. Findings are those of `nuages check`.

Made by `python bench/projects.py FOLDER` on {date}.

| project | commit | Django | Python | packages | outcome | seconds | errors / warnings | GET / |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass
class Row:
    """One project's line in the table."""

    name: str
    commit: str = ""
    django: str = ""
    python: str = ""
    packages: str = ""
    outcome: str = ""
    seconds: float = 0.0
    findings: str = ""
    status: str = ""
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        cells = (
            self.name, self.commit, self.django, self.python, self.packages, self.outcome,
            f"{self.seconds:.0f}", self.findings, self.status,
        )  # fmt: skip
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


@dataclass(frozen=True)
class Bench:
    """Where one project is tried: a copy of its checkout, and a data directory that nothing else uses."""

    folder: Path
    data: Path
    seconds: int

    def nuages(self, *arguments: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run it within the time; one that takes longer is killed with everything it started."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "DATABASE_", "VIRTUAL_ENV"))}
        process = subprocess.Popen(
            [NUAGES, *arguments],
            cwd=self.folder,
            env={**environ, "XDG_DATA_HOME": str(self.data), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=seconds or self.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return subprocess.CompletedProcess(
                process.args, 124, out, f"{err}\nnuages: no answer within {seconds or self.seconds:g} s"
            )
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def main() -> None:
    options = read_options()
    folders = [f for f in sorted(options.folder.iterdir(), key=lambda p: p.name.lower()) if f.is_dir()]
    print(INTRODUCTION.format(date=time.strftime("%Y-%m-%d")), end="")
    tried = []
    for folder in folders:
        if not options.names or folder.name in options.names:
            tried.append(try_project(folder, options.seconds))
            print(tried[-1].line(), flush=True)
    told = [f"**{row.name}**: {note}" for row in tried for note in row.notes]
    if told:
        print("\n" + "\n\n".join(told))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds one checkout for each project")
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for one attempt (default: %(default)s)")
    return parser.parse_args()


def try_project(checkout: Path, seconds: int) -> Row:
    """Up as it is; if it asks for something that is given here, set that and try once more."""
    print(f"{checkout.name} ...", file=sys.stderr, flush=True)
    row = Row(checkout.name, commit=commit_of(checkout))
    with tempfile.TemporaryDirectory(prefix="nuages-bench-") as scratch:
        # The folder's name is the site's, and the checkout stays as it is.
        bench = Bench(Path(scratch) / "projects" / checkout.name, Path(scratch) / "data", seconds)
        shutil.copytree(checkout, bench.folder, symlinks=True)
        try:
            bring_up(bench, row, given_for(checkout))
            describe(bench, row)
        finally:
            bench.nuages("down", seconds=60)
            end_processes(bench.data)
    return row


def bring_up(bench: Bench, row: Row, given: dict[str, str]) -> None:
    started = time.monotonic()
    attempt = bench.nuages("up", "--detach")
    row.seconds = time.monotonic() - started
    asked = error_of(attempt)
    if attempt.returncode and given:
        setting = bench.nuages("config", "set", *(f"{name}={value}" for name, value in given.items()), seconds=120)
        started = time.monotonic()
        attempt = bench.nuages("up", "--detach")
        row.seconds = time.monotonic() - started
        if attempt.returncode == 0:
            row.outcome = f"asked for {', '.join(given)}, then up"
            return
        asked = error_of(setting) if setting.returncode else error_of(attempt)
    if attempt.returncode == 0:
        row.outcome = "up"
        return
    row.outcome = f"refused: {asked.partition(chr(10))[0]}"
    row.notes.append("\n```text\n" + asked + "\n```")


def describe(bench: Bench, row: Row) -> None:
    """Versions, findings and the answer to GET /, as far as each can be told."""
    facts = answer_of(bench.nuages("inspect", "--json", seconds=bench.seconds / 2))
    probe = facts.get("probe") or {}
    row.django, row.python = str(probe.get("django", "")), str(probe.get("python", ""))
    row.packages = packages_in(bench.data)
    if facts:
        answer = answer_of(bench.nuages("check", "--json", seconds=bench.seconds / 2))
        found = answer if isinstance(answer, list) else []  # else it is the error that kept it from checking
        count = {s: sum(f["severity"] == s and not f["silenced"] for f in found) for s in ("error", "warning")}
        row.findings = f"{count['error']} / {count['warning']}"
    status = answer_of(bench.nuages("status", "--json", seconds=30))
    if status and status.get("url"):
        row.status = ask(status["url"])


def answer_of(result: subprocess.CompletedProcess[str]):
    try:
        return json.loads(result.stdout)
    except ValueError:
        return {}


def error_of(result: subprocess.CompletedProcess[str]) -> str:
    """The message alone, without the progress before it."""
    said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", result.stdout + result.stderr)
    start = said.rfind("nuages: ")
    return said[start + len("nuages: ") :].strip() if start >= 0 else said.strip()[-400:]


def ask(url: str) -> str:
    """The status of GET /, redirects shown and not followed."""

    class Unfollowed(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments, **_options):
            return None

    try:
        with urllib.request.build_opener(Unfollowed).open(url, timeout=30) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as answer:
        place = answer.headers.get("Location")
        return f"{answer.code} to {place}" if place else str(answer.code)
    except OSError as error:
        return f"no answer ({type(error).__name__})"


def commit_of(checkout: Path) -> str:
    asked = subprocess.run(
        ["git", "-C", str(checkout), "log", "-1", "--format=%h %cs"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def packages_in(data: Path) -> str:
    """How many packages the environment that was built last holds."""
    environments = sorted(data.glob("nuages/*/venvs/*/lib/python*/site-packages"), key=lambda p: p.stat().st_mtime)
    return str(len(list(environments[-1].glob("*.dist-info")))) if environments else ""


def given_for(checkout: Path) -> dict[str, str]:
    """GIVEN, and the lines of NAME.env beside the checkout."""
    beside = checkout.parent / f"{checkout.name}.env"
    lines = beside.read_text().splitlines() if beside.is_file() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {**GIVEN.get(checkout.name, {}), **{name.strip(): value for name, value in pairs}}


def end_processes(data: Path) -> None:
    """Whatever still runs out of this attempt's own data directory, by its process id."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(str(data)) + b"/" in command and int(folder.name) != os.getpid():
            os.kill(int(folder.name), signal.SIGKILL)


if __name__ == "__main__":
    main()
