# ruff: noqa: N999 - the verb is called so
"""nuages import: an app from another platform."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from nuages.cli.change import apply_change
from nuages.cli.config_files import read_text
from nuages.cli.git import remote_for
from nuages.cli.init import template
from nuages.cli.site import root_of, site_at
from nuages.errors import UsageError
from nuages.project import heroku as app
from nuages.project.procfile import parse_procfile
from nuages.settings.configuration import Configuration, set_values
from nuages.settings.dotenv import parse_exported
from nuages.topology.editing import declared, put
from nuages.topology.environments import PRODUCTION, current
from nuages.topology.loading import FILE, load_text, site_name


ROWS = (
    "heroku pg:backups:capture && heroku pg:backups:download",
    "nuages maintenance:on",
    """nuages run sh -c 'pg_restore --clean --if-exists --no-owner --no-acl -d "$DATABASE_URL"' < latest.dump""",
    "nuages maintenance:off",
)


@dataclass(frozen=True)
class Proposal:
    """`keys`: path in nuages.toml -> value. `dropped`: name -> why. `notes`: what is left to the person."""

    keys: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    generated: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@click.group()
def command() -> None:
    """Take an app over from another platform."""


@command.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--host", "hosts", multiple=True, metavar="USER@ADDRESS", help="A server to deploy to; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print the proposal, without values, and write nothing.")
@click.pass_context
def heroku(ctx: click.Context, files: tuple[str, ...], hosts: tuple[str, ...], as_json: bool) -> None:
    """From Heroku: its Procfile, app.json, runtime.txt, and FILE, what `heroku config -s` or --json wrote (- reads it).

    Proposes nuages.toml and the configuration, asks, and writes both; says what has no counterpart.
    """
    root = root_of(ctx)
    proposal = propose(root, _exported(files), hosts)
    if as_json:
        told = {".".join(path): value for path, value in proposal.keys.items()}
        plain = {"config": sorted(proposal.values), "dropped": dict(proposal.dropped), "missing": list(proposal.missing)}
        click.echo(json.dumps({"nuages.toml": told, **plain, "notes": list(proposal.notes)}, indent=1))
        return
    place = root / FILE
    before = place.read_text(encoding="utf-8") if place.is_file() else ""
    text = _with_keys(before or template(site_name(root.name)), proposal.keys)
    load_text(root, text, current())
    show(proposal, new=not before)
    _ask(ctx)
    if text != before:
        place.write_text(text, encoding="utf-8")
        click.echo(f"{'added to' if before else 'wrote'} {place}")
    if proposal.values:
        apply_change(site_at(root), lambda config: set_values(config, _new(proposal, config)), "import heroku", as_json=False)
    for file in files:
        click.echo(click.style(f"  {file} holds secrets: remove it once all works", dim=True))
    remote_for(root, current(), "")


def _new(proposal: Proposal, config: Configuration) -> dict[str, str]:
    """What was drawn the last time stays."""
    return {n: v for n, v in proposal.values.items() if not (n in proposal.generated and n in config.env)}


def _exported(files: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for file in files:
        if Path(file).name not in ("Procfile", "app.json", "runtime.txt", ".python-version"):  # read where they are
            values |= parse_exported(read_text(file), file)
    return values


def propose(root: Path, exported: Mapping[str, str], hosts: tuple[str, ...] = ()) -> Proposal:
    """What the app's files and its configuration come to here. Pure of everything but reading them."""
    described = app.parse_app_json(text) if (text := _text(root / "app.json")) else app.AppJson()
    procfile = parse_procfile(_text(root / "Procfile"))
    given = app.services_elsewhere(exported)
    dropped = {name: why for name, value in exported.items() if (why := app.why_dropped(name, value, given))}
    values = {name: value for name, value in exported.items() if name not in dropped}
    made, missing = {}, []
    for variable in described.variables:
        if variable.name in exported or app.why_dropped(variable.name, "", {}):
            continue
        if variable.generated:
            made[variable.name] = secrets.token_hex(32)
        elif variable.value:
            values[variable.name] = variable.value
        elif variable.required:
            missing.append(variable.name + (f" ({variable.description})" if variable.description else ""))
    notes = [
        *(f"Procfile {p.name}: {p.command}  ({_process_note(p.kind)})" for p in procfile.processes),
        *procfile.errors,
        *_formation_notes(described, exported),
        *_python_notes(root),
        *app.addon_notes(described.addons),
        *app.buildpack_notes(described.buildpacks),
        *([f"after the first deploy, once: nuages run {described.postdeploy}"] if described.postdeploy else []),
        *(f"app.json {key}: has no counterpart" for key in described.unknown),
    ]
    keys = _keys(root, described, exported, hosts)
    return Proposal(keys, {**values, **made}, tuple(made), dropped, tuple(missing), tuple(notes))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _process_note(kind: str) -> str:
    if kind == "web":
        return "translated to the server that stands behind the proxy"
    return "runs before each switch" if kind == "release" else f"a {kind}, as it is"


def _python_notes(root: Path) -> list[str]:
    found = next((n for n in (".python-version", "runtime.txt") if _text(root / n).strip()), "")
    return [f"{found}: {_text(root / found).strip()}, read at each deploy"] if found else []


def _formation_notes(described: app.AppJson, exported: Mapping[str, str]) -> list[str]:
    notes = [
        f"{name} was scaled to 0: nuages ps:scale {name}=0 after the first deploy"
        for name, n in described.formation.items()
        if not n
    ]
    dynos, each = described.formation.get("web", 1), exported.get("WEB_CONCURRENCY", "")
    if dynos > 1 or each:
        notes.append(
            f"web: {dynos} dynos of {each or 'the usual'} workers; here their number is chosen from the server, or: nuages ps:scale web=N"
        )
    return notes


def _keys(root: Path, described: app.AppJson, exported: Mapping[str, str], hosts: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    at = () if current() == PRODUCTION else ("env", current())
    keys: dict[tuple[str, ...], Any] = {(*at, "name"): site_name(described.name or root.name)}
    keys |= {(*at, "scale", name): number for name, number in described.formation.items() if name != "web" and number > 1}
    cache = app.cache_for(described.addons) or (
        "memcached" if any(n.startswith("MEMCACHIER_") for n in exported) and not _redis(exported) else ""
    )
    keys |= {(*at, "services", "cache"): cache} if cache else {}
    keys |= {(*at, "health", "path"): described.healthcheck} if described.healthcheck.startswith("/") else {}
    keys |= {(*at, "hosts", f"web-{n}", "address"): address for n, address in enumerate(hosts, 1)}
    return keys


def _redis(exported: Mapping[str, str]) -> bool:
    return any(name.startswith(("REDIS", "HEROKU_REDIS")) for name in exported)


def _with_keys(text: str, keys: Mapping[tuple[str, ...], Any]) -> str:
    """What the file says already stays."""
    fresh = text == template(declared(text, ("name",)) or "")
    for path, value in keys.items():
        if fresh or declared(text, path) is None:
            text = put(text, path, value)
    return text


def show(proposal: Proposal, *, new: bool) -> None:
    click.echo(click.style("nuages.toml" + ("" if new else ", where it does not say so yet"), bold=True))
    for path, value in proposal.keys.items():
        click.echo(f"  {'.'.join(path)} = {json.dumps(value)}")
    _part("configuration", [name + (", generated" if name in proposal.generated else "") for name in sorted(proposal.values)])
    _part("left out", [f"{name}: {why}" for name, why in sorted(proposal.dropped.items())])
    _part("still to be set", [f"{name}: nuages config set {name.partition(' ')[0]}=..." for name in proposal.missing])
    _part("the rest", list(proposal.notes))
    if any(name.startswith(("DATABASE", "HEROKU_POSTGRESQL")) for name in proposal.dropped):
        click.echo(
            "\n" + click.style("the rows, once it is deployed to a server", bold=True) + "".join(f"\n  {line}" for line in ROWS)
        )


def _part(title: str, lines: list[str]) -> None:
    if lines:
        click.echo("\n" + click.style(title, bold=True) + "".join(f"\n  {line}" for line in lines))


def _ask(ctx: click.Context) -> None:
    if (ctx.obj or {}).get("yes"):
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to ask; nothing was written", hint="--yes says that it is meant")
    if not click.confirm("\nWrite it?", default=True):
        raise UsageError("nothing was written")
