"""nuages completion: verbs and options at the press of a key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from nuages.errors import UsageError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell: source <(nuages completion bash)."""
    from nuages.cli import root

    script = get_completion_class(shell)
    if script is None:
        raise UsageError(f"there is no completion for {shell}")
    click.echo(script(root, {}, "nuages", "_NUAGES_COMPLETE").source())
