"""nuages test: the project's tests as a deploy runs them."""

from __future__ import annotations

import json

import click

from nuages.cli.console import ago
from nuages.cli.site import json_option, path_argument, root_of, site_at, terminal
from nuages.engine.inspecting import inspect_here
from nuages.engine.project_tests import run_tests
from nuages.errors import PipelineError


@click.command()
@path_argument
@click.option("--rerun", is_flag=True, help="Also where the same files and packages have passed before.")
@json_option
@click.pass_context
def command(ctx: click.Context, path: str | None, rerun: bool, as_json: bool) -> None:
    """Run the project's tests as a deploy does: in a copy of what would be deployed, with its packages and those that the
    project declares for development, a throw-away database and nothing of production's configuration.

    Exit status: 0 they passed, 1 they did not.
    """
    site = site_at(root_of(ctx, path))
    console = terminal(ctx, as_json=as_json)
    work = site.work(site.live(), console.progress)
    inspected = inspect_here(work)
    console.clear()

    def say(line: str) -> None:
        if not as_json:
            click.echo(line)

    try:
        passed = run_tests(work, inspected, say, console.note, again=rerun)
    except PipelineError as error:  # its output has just been shown
        error.detail, error.hint = (error.detail if as_json else ""), ""
        raise
    remembered = passed.seconds_ago is not None
    if as_json:
        click.echo(json.dumps({"event": "tests", "passed": True, "summary": passed.summary, "remembered": remembered}))
        return
    when = f"; these files and packages passed {ago(passed.seconds_ago or 0)} ago, --rerun runs them again" if remembered else ""
    click.echo(click.style(f"tests: {passed.summary}", fg="green") + when)
