"""nuages git: the git remotes that deploy."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from nuages.cli.site import root_of
from nuages.errors import UsageError
from nuages.gitremote.repository import add_remote, repository_of, url_of
from nuages.hosts.local import LocalTransport
from nuages.topology import load_topology


HELPER = "git-remote-nuages"


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """The git remotes that deploy: `git push production main`. Alone: list them."""
    if ctx.invoked_subcommand is None:
        root = root_of(ctx)
        for name, url in sorted(repository_of(root, LocalTransport()).remotes().items()):
            if url.startswith("nuages::"):
                click.echo(f"{name}  {url}")


@command.command()
@click.option("-r", "--remote", "name", default="", metavar="NAME", help="Of the remote. Default: the environment's.")
@click.pass_context
def remote(ctx: click.Context, name: str) -> None:
    """Make the remote of this environment: `nuages git:remote`, `nuages git:remote -e staging`."""
    root = root_of(ctx)
    repository_of(root, LocalTransport())
    made = remote_for(root, load_topology(root).environment, name)
    click.echo(f"next: git push {made} main")


def remote_for(root: Path, environment: str, name: str) -> str:
    """Make it where it is missing, and say so; its name, or "" outside a repository."""
    name = name or environment
    try:
        repository = repository_of(root, LocalTransport())
    except UsageError as error:
        click.echo(click.style(f"  note: no git remote: {error}; {error.hint}; nuages git:remote", dim=True), err=True)
        return ""
    made = add_remote(repository, root, environment, name)
    click.echo(f"git remote {name}: {url_of(repository, root, environment)}" + ("" if made else ", as it was"))
    if shutil.which(HELPER) is None:
        beside = Path(sys.executable).with_name(HELPER)
        hint = f"add {beside.parent} to PATH" if beside.exists() else "install Nuages again"
        click.echo(click.style(f"  note: git looks for {HELPER} on PATH, and it is not there: {hint}", fg="yellow"), err=True)
    return name
