"""nuages init: a nuages.toml to start from."""

from __future__ import annotations

import click

from nuages.cli.site import path_argument, root_of
from nuages.errors import UsageError
from nuages.topology.loading import FILE, REFERENCE, site_name


@click.command()
@path_argument
@click.pass_context
def command(ctx: click.Context, path: str | None) -> None:
    """Write a nuages.toml with every key explained and commented out. None is needed to deploy."""
    root = root_of(ctx, path)
    target = root / FILE
    if target.exists():
        raise UsageError("is there already", where=str(target))
    lines = [_commented(line) for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(lines).replace('# name = "library"', f'name = "{site_name(root.name)}"', 1)
    target.write_text(text + "\n", encoding="utf-8")
    click.echo(f"wrote {target}; every key in it is optional")


def _commented(line: str) -> str:
    return f"# {line}" if line and not line.startswith(("#", "[")) else line
