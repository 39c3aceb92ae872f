"""nuages db: the site's database as a thing that is kept, put back and moved. One file for each word of it."""

from __future__ import annotations

import importlib

import click


WORDS = {
    "backup": "db_backup",
    "restore": "db_restore",
    "list": "db_list",
    "drop": "db_drop",
    "pull": "db_pull",
    "scrub": "db_scrub",
    "push": "db_push",
    "copy": "db_copy",
    "convert": "db_convert",
}


class Words(click.Group):
    """Loads a word's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(WORDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in WORDS:
            return None
        found: click.Command = importlib.import_module(f"nuages.cli.{WORDS[cmd_name]}").command
        return found


@click.command(cls=Words)
def command() -> None:
    """The site's database: dump it, put a dump back, move it to and from here."""
