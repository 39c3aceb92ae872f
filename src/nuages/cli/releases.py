"""nuages releases: what has been live, and what each release changed."""

from __future__ import annotations

import json

import click

from nuages.cli import rollback
from nuages.cli.console import table
from nuages.cli.site import Site, json_option, with_site
from nuages.gitremote.repository import repository_of
from nuages.hosts.local import LocalTransport
from nuages.insight.releases import ReleaseInfo, number_of, release_info


MANY = 20  # commits, before the rest is only counted


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The releases that are still on disk. Alone: list them, newest first."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


@command.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List them, newest first."""
    live = site.deployed()
    releases = sorted((r for r in live.numbered.values() if r["number"] <= live.number), key=lambda r: -r["number"])
    if as_json:
        click.echo(json.dumps([{**r, "live": r["number"] == live.number} for r in releases], indent=1))
        return
    rows = [
        (
            f"v{r['number']}" + (" *" if r["number"] == live.number else ""),
            (r.get("commit") or "")[:8] + ("+" if r.get("dirty") and r.get("commit") else "") or "working tree",
            r["build"],
            f"config v{r['config']}",
            r.get("at", "").replace("T", " ").replace("Z", ""),
            r.get("by", ""),
            r.get("why", ""),
        )
        for r in releases
    ]
    click.echo(table(rows, ("", "commit", "build", "", "when (UTC)", "by", "why")))


@command.command()
@click.argument("release", required=False, metavar="[vN]")
@json_option
@with_site
def info(site: Site, release: str | None, as_json: bool) -> None:
    """What one release changed: commits, names in the configuration, migrations; by whom and why."""
    live = site.deployed()
    found = release_info(site.lead, live, number_of(live, release))
    commits = _commits(site, found)
    if as_json:
        click.echo(json.dumps({**found.as_dict(), "commits": commits}, indent=1))
        return
    click.echo(_told(found, commits))


@command.command()
@click.argument("release", required=False, metavar="[vN]")
@with_site
def output(site: Site, release: str | None) -> None:
    """The steps of the deploy that made a release, from the journal."""
    live = site.deployed()
    number = number_of(live, release)
    steps = release_info(site.lead, live, number).steps
    if not steps:
        click.echo(f"the journal does not tell of v{number} any more")
    for step in steps:
        seconds = float(step.get("seconds") or 0)
        how = "" if step.get("state") == "done" else f"  {step.get('state', '')}"
        click.echo(f"{step.get('at', '')}  {step.get('step', '')}{how}" + (f"  {seconds:.1f} s" if seconds >= 1 else ""))


command.add_command(rollback.command, "rollback")


def _commits(site: Site, found: ReleaseInfo) -> list[str]:
    """Those that came with it, newest first, where this repository knows them."""
    if not found.commit or not found.commit_before or found.commit == found.commit_before:
        return []
    from nuages.errors import UsageError

    try:
        repository = repository_of(site.topology.root, LocalTransport())
    except UsageError:
        return []
    listed = repository.git("log", "--format=%h %s (%an)", f"{found.commit_before}..{found.commit}")
    return listed.stdout.splitlines() if listed.ok else []


def _told(found: ReleaseInfo, commits: list[str]) -> str:
    source = found.commit[:8] + (" + changes" if found.dirty else "") if found.commit else "working tree"
    lines = [
        click.style(f"v{found.number}", bold=True) + ("  live" if found.live else ""),
        f"{found.at.replace('T', ' ').replace('Z', '')} UTC by {found.by}" + (f": {found.why}" if found.why else ""),
        f"code      {source}, build {found.build}" + (f", the same as v{found.before}" if found.same_build else ""),
        f"runs      Django {found.django}, Python {found.python}",
        f"config    v{found.config}",
    ]
    since = f"since v{found.before}" if found.before else "what came before it is not on disk any more"
    lines += ["", click.style(since if found.before or found.number > 1 else "the first release", dim=True)]
    if found.rollback_to:
        lines.append(f"  back to v{found.rollback_to}")
    lines += [f"  {commit}" for commit in commits[:MANY]]
    lines += [f"  and {len(commits) - MANY} more commits"] if len(commits) > MANY else []
    lines += [f"  config: {line}" for line in found.names.lines()]
    lines += [f"  migration: {name}" for name in found.migrations]
    return "\n".join(lines)
