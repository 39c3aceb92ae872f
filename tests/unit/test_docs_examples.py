"""What the docs have one type or write is understood by today's program: every command, every nuages.toml."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nuages.cli import root, with_common_first
from nuages.topology.environments import names_of
from nuages.topology.loading import load_text


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDER = re.compile(r"[A-Z]{2,}|vN|\.\.\.|…|[\[\]|]")  # a line that shows a form and is not to be typed


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for text in re.findall(rf"^```{kind}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            yield str(page.relative_to(ROOT)), text


def commands() -> Iterator[tuple[str, str]]:
    """(page, what is typed), from console blocks and from code within the text."""
    for page, text in blocks("console"):
        for line in re.findall(r"^[$#] (.+(?:\\\n.+)*)", text, re.MULTILINE):
            for part in re.split(r" && | ; | \| ", line.replace("\\\n", " ").partition(" #")[0]):
                yield page, part.strip()
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`(nuages [^`\n]+)`", text):
            if not PLACEHOLDER.search(code):
                yield str(page.relative_to(ROOT)), code.partition(" && ")[0]


def ours() -> list[tuple[str, str]]:
    found = []
    for page, line in commands():
        words = [word for word in line.split() if "=" not in word or word.startswith("-")]
        name = words[0].rpartition("/")[2] if words else ""
        if name == "nuages" and len(words) > 1 and not words[1].startswith("<"):
            found.append((page, line))
    return sorted(set(found))


def understood(line: str) -> None:
    words = shlex.split(re.sub(r"[<>]+ ?\S+", "", line))
    start = next(i for i, word in enumerate(words) if word.rpartition("/")[2] == "nuages")
    command: click.Command = root
    context, rest = click.Context(root, info_name="nuages"), with_common_first(words[start + 1 :])
    context.params = {"rehearse": True}  # no host is asked while the words are read
    while True:
        _options, rest, _order = command.make_parser(context).parse_args(list(rest))
        if not isinstance(command, click.Group) or not rest:
            break
        _name, found, rest = command.resolve_command(context, rest)
        assert found
        command, context = found, click.Context(found, parent=context, info_name=found.name, **found.context_settings)
    most = sum(9999 if p.nargs < 0 else p.nargs for p in command.params if isinstance(p, click.Argument))
    assert isinstance(command, click.Group) or len(rest) <= most, f"{line}: too many words"


@pytest.mark.parametrize(("page", "line"), ours())
def test_every_command_is_one(page: str, line: str) -> None:
    try:
        understood(line)
    except click.UsageError as error:
        pytest.fail(f"{page}: {line}: {error.message}")


@pytest.mark.parametrize(("page", "text"), list(blocks("toml")))
def test_every_nuages_toml_is_read(page: str, text: str, tmp_path: Path) -> None:
    """pyproject.toml has its place in the docs too."""
    declared = tomllib.loads(text)
    if "tool" in declared or "dependency-groups" in declared or "version" in declared.get("project", {}):
        return
    for name in ("shop.crt", "shop.key"):
        (tmp_path / name).touch()
    text = re.sub(r'"/\S+/(shop\.\w+)"', r'"\1"', text)
    if "own" in text and "domains" not in text:
        text = f'domains = ["shop.example"]\n{text}'
    for environment in names_of(declared):
        load_text(tmp_path, text, environment)
