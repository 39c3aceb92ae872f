"""A change of nuages.toml that a verb makes: the plan is shown, and the file written once it is agreed to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal
from nuages.cli.init import template
from nuages.cli.site import Site, url_of
from nuages.deploy import deploy
from nuages.engine.model import Plan
from nuages.engine.request import Request
from nuages.errors import UsageError
from nuages.topology.editing import put
from nuages.topology.environments import PRODUCTION
from nuages.topology.loading import FILE, load_text


def declare(
    site: Site,
    changes: Mapping[tuple[str, ...], Any],
    what: str,
    *,
    source: str,
    overrides: dict[str, Any],
    as_json: bool = False,
) -> bool:
    """`changes`: path in nuages.toml -> value; `overrides`: the same, of the topology. False where it was declined.

    Of a site that was never deployed, only the file is changed.
    """
    ctx, topology = click.get_current_context(), site.topology
    yes = bool((ctx.obj or {}).get("yes"))
    place = topology.root / FILE
    text = _edited(place, topology.name, topology.environment, changes)
    load_text(topology.root, text, topology.environment)
    if not site.live().release:
        _write(place, text)
        click.echo(f"next: {site.verb}")
        return True
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody is here to ask; nothing was changed", where=what, hint="--yes says that it is meant")
    console = Declaring(place, text, as_json=as_json, verbose=bool((ctx.obj or {}).get("verbose")), ask=not yes, yes=yes)
    console.calm = "on the servers nothing has to be changed" if topology.remote else "nothing has to be changed"
    plan = deploy(Request(root=topology.root, what=what, source=source, overrides=overrides), console)
    if plan.empty:
        console.write()
    if not console.written:
        click.echo("nothing was changed")
        return False
    live = site.live()
    if not as_json and not plan.empty:
        click.echo(f"v{live.number} is live at {url_of(live, load_text(topology.root, text, topology.environment))}")
    _say_to_commit(place)
    return True


class Declaring(Terminal):
    """Writes the file between the agreement and the first step."""

    def __init__(self, place: Path, text: str, **options: Any) -> None:
        super().__init__(**options)
        self.place, self.text, self.written = place, text, False

    def agreed(self, plan: Plan) -> bool:
        said = super().agreed(plan)
        if said:
            self.write()
        return said

    def write(self) -> None:
        if not self.written:
            self.written = True
            _write(self.place, self.text)


def _edited(place: Path, name: str, environment: str, changes: Mapping[tuple[str, ...], Any]) -> str:
    text = place.read_text(encoding="utf-8") if place.is_file() else template(name)
    at = () if environment == PRODUCTION else ("env", environment)
    for path, value in changes.items():
        text = put(text, (*at, *path), value)
    return text


def _write(place: Path, text: str) -> None:
    if not place.is_file() or place.read_text(encoding="utf-8") != text:
        place.write_text(text, encoding="utf-8")
        click.echo(f"{FILE} says so now")


def _say_to_commit(place: Path) -> None:
    if (place.parent / ".git").exists():
        click.echo(click.style(f"  commit {FILE}: a git push takes the one of its commit", dim=True))
