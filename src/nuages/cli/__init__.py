"""The command line: one file for each verb, loaded only when it is called."""

from __future__ import annotations

import importlib
import os
import sys

import click

from nuages import __version__
from nuages.errors import NuagesError


VERBS = {
    "Start": ("create", "git", "import", "init", "inspect", "check", "test", "settings", "plan", "up", "deploy"),
    "Run": (
        "status",
        "errors",
        "mail",
        "info",
        "apps",
        "dashboard",
        "open",
        "logs",
        "ps",
        "scale",
        "restart",
        "maintenance",
        "start",
        "down",
        "destroy",
    ),
    "Change": (
        "config",
        "domains",
        "addons",
        "releases",
        "rollback",
        "promote",
        "notify",
        "drift",
        "certs",
        "access",
        "lock",
        "audit",
        "eject",
    ),
    "Data": ("backup", "db", "media", "quiet"),
    "Inside": ("run", "manage", "shell", "dbshell"),
    "Nuages": ("ci", "lab", "doctor", "completion"),
}
# Those that ask before they change a protected environment.
ASK = (
    "up",
    "deploy",
    "config",
    "scale",
    "ps",
    "restart",
    "start",
    "down",
    "maintenance",
    "rollback",
    "releases",
    "promote",
    "domains",
    "addons",
    "import",
)

# Those whose first question to the servers is always the same one.
EARLY = ("deploy", "plan")


class Verbs(click.Group):
    """Loads a verb's module when it is called, so that a deploy with nothing to do starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for group in VERBS.values() for verb in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb, colon, sub = cmd_name.partition(":")  # Heroku's config:set
        if verb not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"nuages.cli.{verb}").command
        if colon:
            return command.get_command(ctx, sub) if isinstance(command, click.Group) else None
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.list_commands(ctx):
            from nuages.cli.heroku import in_our_words

            args = in_our_words(args)
        if args[0] in EARLY and not ctx.params.get("rehearse") and all(word.startswith("-") for word in args[1:]):
            from nuages.hosts import early

            early.begin(ctx.params["path"], ctx.params["environment"])
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            raise click.UsageError(f"{error.message} Did you mean {close[0]}?" if close else error.message, ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in VERBS.items():
            rows = [(verb, (self.get_command(ctx, verb) or click.Command(verb)).get_short_help_str(90)) for verb in verbs]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-C",
    "--path",
    "path",
    type=click.Path(file_okay=False),
    default=".",
    help="The project's folder, when it is not this one.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks and every line of long steps.")
@click.option("-e", "--env", "environment", metavar="NAME", default="", help="Another environment of nuages.toml: staging.")
@click.option("-y", "--yes", is_flag=True, help="Change a protected environment without asking.")
@click.option("--rehearse", is_flag=True, help="On hosts of the lab that have the names of the declared ones.")
@click.version_option(__version__, prog_name="nuages")
@click.pass_context
def root(ctx: click.Context, path: str, verbose: bool, environment: str, yes: bool, rehearse: bool) -> None:
    """Any Django project in production, without editing it.

    In the project's folder: `nuages up` on this machine, `nuages deploy` to the servers that nuages.toml names.
    """
    ctx.obj = {"path": path, "verbose": verbose, "yes": yes}
    if environment:
        from nuages.topology.environments import CHOSEN

        os.environ[CHOSEN] = environment
        ctx.call_on_close(lambda: os.environ.pop(CHOSEN, None))
    if rehearse:
        from nuages.lab import Lab
        from nuages.topology.loading import REHEARSAL

        os.environ[REHEARSAL] = Lab().ssh_config


def with_common_first(arguments: list[str]) -> list[str]:
    """-v, -e NAME and, where a verb has none of its own, -y count wherever they stand, but after the verbs whose words
    belong to another program."""
    verb = next((word.partition(":")[0] for word in arguments if word.partition(":")[0] in ASK), "")
    own = next((i for i, word in enumerate(arguments) if word in VERBS["Inside"]), len(arguments))
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:own])
    for word in words:
        if word in ("-v", "--verbose"):
            first[:0] = [] if "-v" in first else ["-v"]
        elif word in ("-e", "--env"):
            first += [word, *([following] if (following := next(words, None)) is not None else [])]
        elif word.startswith("--env=") or (verb and word in ("-y", "--yes")):
            first.append(word)
        else:
            rest.append(word)
    return [*first, *rest, *arguments[own:]]


def said_short(text: str, code: int) -> None:
    """For a person a line, for a machine an object in a line."""
    if "--json" not in sys.argv:
        click.echo(text, err=True)
        return
    import json

    click.echo(json.dumps({"event": "error", "code": code, "error": text, "where": "", "hint": "", "detail": ""}))


def main() -> None:
    """Run a verb; a NuagesError becomes one red line and one grey."""
    arguments = with_common_first(sys.argv[1:])
    verbose = bool(arguments) and arguments[0] == "-v"
    try:
        status = root(arguments, prog_name="nuages", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except NuagesError as error:
        from nuages.cli.console import show_error

        if verbose:
            raise
        show_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        said_short("stopped; run the same command again to continue", 130)
        sys.exit(130)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        if "--json" in sys.argv:
            said_short(error.format_message(), 64)
        else:
            error.show()
        sys.exit(64)  # EX_USAGE of sysexits.h: 1 and 2 have meanings of their own here
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
