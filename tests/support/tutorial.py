"""A tutorial as a script: each command of its console blocks, with the heading it stands under and what it should say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit


TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorial"
PREPARED = ("apt-get ", "make ", ". ", "cd ", "nuages lab up", "nuages lab down")  # the test has done so
OUTSIDE = "## Your real server"
HERO = "catalog/templates/catalog/home.html"


@dataclass(frozen=True)
class Line:
    heading: str
    kind: str  # type, or write (to nuages.toml)
    text: str
    said: str = ""

    @property
    def fails(self) -> bool:
        return "\nnuages: " in f"\n{self.said}"


def lines(page: str) -> Iterator[Line]:
    text = (TUTORIALS / page).read_text("utf-8").partition(OUTSIDE)[0]
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        for kind, block in re.findall(r"^```(console|toml)\n(.*?)^```", body, re.MULTILINE | re.DOTALL):
            if kind == "toml":
                yield Line(heading, "write", block)
                continue
            for command, said in re.findall(r"^[$#] (.+)\n((?:(?![$#] ).*\n)*)", block, re.MULTILINE):
                if not command.startswith(PREPARED):
                    yield Line(heading, "type", command, said)


def play(page: str, root: Path, environ: Mapping[str, str], real: Callable[[str], str] = str) -> dict[str, str]:
    """Types it all in the project's folder, edits what each heading says, and tells what was said, by command. `real`: the
    line with the names that hold here."""
    told: dict[str, str] = {}
    before = ""
    for line in lines(page):
        if line.heading != before:
            edit(root / HERO, before, line.heading)
            before = line.heading
        if line.kind == "write":
            merge(root / "nuages.toml", line.text)
            continue
        done = subprocess.run(
            ["bash", "-c", real(line.text)],
            cwd=root,
            env=dict(environ),
            input="library\n" if "destroy" in line.text else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        told[line.text] = done.stdout + done.stderr
        wanted = (1,) if line.fails else (0, 2) if line.text.endswith((" plan", " drift")) else (0,)
        assert done.returncode in wanted or "createsuperuser" in line.text, f"{line.heading}: {line.text}\n{told[line.text]}"
    return told


def edit(page: Path, left: str, begun: str) -> None:
    text = page.read_text()
    if left == "Break it":
        text = text.replace("{% block hero\n", "{% block hero %}\n").replace("{% block hero<", "{% block hero %}<")
    if begun == "Change it":
        text = text.replace("</h1>", " of ours</h1>", 1)
    if begun == "Break it":
        assert "{% block hero %}" in text
        text = text.replace("{% block hero %}", "{% block hero", 1)
    page.write_text(text)


def merge(path: Path, text: str) -> None:
    declared: Any = tomlkit.parse(path.read_text())
    for key, value in tomlkit.parse(text).items():
        if isinstance(value, dict) and isinstance(declared.get(key), dict):
            declared[key].update(value)
        elif isinstance(value, dict):
            declared[key] = value
        else:
            plain = {key: value, **declared.unwrap()}
            declared = tomlkit.parse(tomlkit.dumps(plain))
    path.write_text(tomlkit.dumps(declared))
