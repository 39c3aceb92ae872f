"""What a person may meet (a verb, an option, a check, an error, a key) has its place in docs/reference."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import click
import pytest

from nuages import errors
from nuages.cli import VERBS


ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
ALL_VERBS = [verb for group in VERBS.values() for verb in group]


def sections(page: str, level: str = "## ") -> dict[str, str]:
    """Heading -> text up to the next one of that level."""
    parts = re.split(rf"^{level}(.+)$", (REFERENCE / page).read_text(), flags=re.MULTILINE)
    return dict(zip((p.strip() for p in parts[1::2]), parts[2::2], strict=True))


def options(command: click.Command) -> set[str]:
    own = {o for p in command.params if isinstance(p, click.Option) for o in p.opts if o != "--help"}
    return own.union(*(options(sub) for sub in words_of(command).values()))


def words_of(command: click.Command) -> dict[str, click.Command]:
    """Of a group, whether or not it loads them only when they are called."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)
    return {name: found for name in command.list_commands(context) if (found := command.get_command(context, name))}


def error_classes() -> list[str]:
    return [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.NuagesError)]


@pytest.mark.parametrize("name", error_classes())
def test_every_error_is_explained(name: str) -> None:
    assert sections("errors.md").get(name, "").strip()


def test_no_error_is_explained_that_does_not_exist() -> None:
    assert set(sections("errors.md")) == set(error_classes())


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_is_documented_with_all_its_options(verb: str) -> None:
    command = importlib.import_module(f"nuages.cli.{verb}").command
    text = sections("cli.md")[verb]
    words = set(re.findall(r"--?[a-z][a-z-]*", text))
    assert options(command) <= words
    assert all(f"nuages {verb} {word}" in text for word in words_of(command))


def test_no_verb_is_documented_that_does_not_exist() -> None:
    assert set(sections("cli.md")) == set(ALL_VERBS)


def test_every_module_with_a_verb_is_listed() -> None:
    folder = ROOT / "src" / "nuages" / "cli"
    with_command = {p.stem for p in folder.glob("*.py") if re.search(r"^def command\(", p.read_text(), re.MULTILINE)}
    modules = [importlib.import_module(f"nuages.cli.{verb}") for verb in ALL_VERBS]
    of_groups = {file for module in modules for file in getattr(module, "WORDS", {}).values()}
    assert with_command - of_groups == set(ALL_VERBS)


def test_every_check_has_a_section_with_its_title() -> None:
    catalog = importlib.import_module("nuages.settings.checks.catalog").CATALOG
    assert {f"{i}: {title}" for i, title in catalog.items()} <= set(sections("checks.md", "### "))


def test_every_check_has_the_anchor_that_findings_link_to() -> None:
    catalog = importlib.import_module("nuages.settings.checks.catalog").CATALOG
    text = (REFERENCE / "checks.md").read_text()
    assert all(f"({i.lower().replace('.', '-')})=" in text for i in catalog)


def test_keys_of_nuages_toml_that_pages_name_exist() -> None:
    known = tomllib.loads((ROOT / "src" / "nuages" / "topology" / "reference.toml").read_text())
    for page in (ROOT / "docs").rglob("*.md"):
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for table, keys in tomllib.loads(block).items():
                assert table in known, f"{page.name}: {table}"
                if table not in ("settings", "processes", "scale", "checks", "scrub") and isinstance(keys, dict):
                    assert set(keys) <= set(known[table]), f"{page.name}: [{table}]"


def test_every_page_is_in_a_table_of_contents() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        index = page.parent / "index.md"
        if page.name != "index.md" and "_build" not in page.parts:
            entries = re.search(r"```\{toctree\}(.*?)```", index.read_text(), re.DOTALL)
            assert entries
            assert page.stem in entries[1].split() or (":glob:" in entries[1] and page.stem[0] == "0")


def test_the_readme_maps_only_pages_that_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link
