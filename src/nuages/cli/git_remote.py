"""git-remote-nuages: what git runs for a remote whose URL begins with `nuages::` (gitremote-helpers(7))."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nuages.errors import NuagesError
from nuages.gitremote.protocol import Options, serve
from nuages.gitremote.pushing import Live, SiteRemote
from nuages.gitremote.repository import repository_of


USAGE = "git-remote-nuages is run by git: git remote add production nuages::production"


class Prefixed(io.TextIOBase):
    """Lines of ours as git shows those of a far side: each under `remote: `."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.held = stream, ""

    def write(self, text: str) -> int:
        *lines, self.held = (self.held + text).split("\n")
        for line in lines:
            self.stream.write(f"remote: {line}".rstrip() + "\n")
        self.stream.flush()
        return len(text)

    def ask(self) -> None:
        """What waits for an answer has no end of line yet."""
        if self.held:
            self.stream.write(f"remote: {self.held}")
            self.stream.flush()
            self.held = ""

    def flush(self) -> None:
        if self.held.endswith(": "):
            self.ask()

    def writable(self) -> bool:
        return True


def main() -> None:
    """`git-remote-nuages REMOTE ENVIRONMENT[/FOLDER]`, in the root of the working tree."""
    if len(sys.argv) < 3:  # noqa: PLR2004
        sys.exit(USAGE)
    environment, _, folder = sys.argv[2].removeprefix("nuages::").partition("/")
    try:
        with _only_git_hears_us() as say:
            serve(sys.stdin, say, _site(environment, folder))
    except NuagesError as error:
        from nuages.cli.console import show_error

        show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os._exit(1)  # git has gone


@contextlib.contextmanager
def _only_git_hears_us() -> Iterator[Callable[[str], None]]:
    """Standard output belongs to the protocol; whatever else is printed goes to standard error."""
    git = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: str) -> None:
        git.write(line + "\n")
        git.flush()

    yield say


def _site(environment: str, folder: str) -> SiteRemote:
    from nuages.hosts.local import LocalTransport
    from nuages.topology.environments import CHOSEN

    os.environ[CHOSEN] = environment
    repository = repository_of(Path.cwd(), LocalTransport())
    home = repository.top / folder
    return SiteRemote(repository, functools.cache(lambda: _live(home)), functools.partial(_deploy, home, folder))


def _live(home: Path) -> Live:
    from nuages.cli.site import site_at

    release = site_at(home).live().release or {}
    return Live(str(release.get("commit") or ""), dirty=bool(release.get("dirty")))


def _deploy(home: Path, folder: str, tree: Path, options: Options) -> str:
    """Deploy a checkout as the site of `home`. What fails is told in full, and to git in one line."""
    import traceback

    import click

    from nuages.cli.console import show_error

    out = Prefixed(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), _terminal_for_answers():
        try:
            return _perform(home, tree / folder, options)
        except NuagesError as error:
            error.hint = error.hint.replace("--yes", "git push -o yes").replace("--skip ", "git push -o skip=")
            show_error(error)
            return f"deploy failed: {error}"
        except click.exceptions.Abort:
            return "nobody agreed"
        except Exception as error:  # noqa: BLE001 - git is owed an answer, whatever happened
            click.echo(traceback.format_exc(), err=True)
            return f"deploy failed: {type(error).__name__}: {error}"


def _perform(home: Path, tree: Path, options: Options) -> str:
    import click

    from nuages.cli.backup_key import after_deploy
    from nuages.cli.console import Terminal
    from nuages.cli.site import site_at, url_at
    from nuages.deploy import deploy
    from nuages.engine.request import Request
    from nuages.topology.loading import FILE
    from nuages.topology.pipeline import skipped

    if (home / FILE).is_file() and not (tree / FILE).is_file():
        click.echo(f"  note: {FILE} is not in the commit; the one in your folder counts")
    wishes = options.push
    request = Request(
        root=home,
        tree=tree,
        what="deploy",
        why=wishes.get("message", ""),
        check="no-check" not in wishes,
        wait=float(wishes.get("wait-lock") or 0),
        skip=skipped(wishes.get("skip", "")),
    )
    console = Terminal(verbose=options.verbosity > 1, yes="yes" in wishes)
    plan = deploy(request, console)
    site = site_at(home)
    live = site.live()
    url = url_at(live.address, site.topology, secure=bool(plan.facts["secure"]), name=plan.facts["name"])
    click.echo(f"v{live.number} is live at {url}  {console.elapsed()}" if live.serving else "it is not running: nuages start")
    if live.serving:
        after_deploy(site, quiet=False)
    return ""


@contextlib.contextmanager
def _terminal_for_answers() -> Iterator[None]:
    """Standard input is git's; a person who is asked answers at the terminal, where there is one."""
    try:
        terminal = open("/dev/tty", encoding="utf-8")  # noqa: SIM115
    except OSError:
        terminal = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    before, sys.stdin = sys.stdin, terminal
    try:
        yield
    finally:
        sys.stdin = before
        terminal.close()
