"""One-off commands in the live release's environment: run, manage, shell and dbshell share this."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from nuages.cli.site import Site
from nuages.engine.model import Live
from nuages.engine.prepare import find_build
from nuages.errors import UsageError
from nuages.release.build import Build


# What a terminal program needs of the caller's environment; nothing else of it reaches the site.
KEPT = ("HOME", "USER", "TERM", "LANG", "LC_ALL", "PAGER", "EDITOR", "COLUMNS", "LINES", "SHELL", "TMPDIR")
KEPT_THERE = ("TERM", "LANG", "COLUMNS", "LINES")
NOT_FOUND = 127  # of a shell


def enter(site: Site, argv: tuple[str, ...]) -> None:
    """Replace this process by the command, with the live release's code, settings and configuration.

    On a server it runs there, as the account of the site; its exit status is ours.
    """
    live = site.deployed()
    build = find_build(site.lead, live, (live.release or {})["build"])
    if site.topology.remote:
        _enter_there(site, live, build, argv)
    env = _environment(site, live, build, KEPT, os.environ.get("PATH", os.defpath))
    os.chdir(build.manage_dir)
    try:
        os.execvpe(argv[0], argv, env)  # noqa: S606
    except FileNotFoundError as error:
        raise _no_command(argv[0]) from error


def _enter_there(site: Site, live: Live, build: Build, argv: tuple[str, ...]) -> None:
    env = _environment(site, live, build, KEPT_THERE, "/usr/local/bin:/usr/bin:/bin")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    status = site.lead.execute(argv, env, str(build.manage_dir), site.topology.account, terminal=terminal)
    if status == NOT_FOUND:
        raise _no_command(argv[0])
    click.get_current_context().exit(status)


def _environment(site: Site, live: Live, build: Build, kept: tuple[str, ...], path: str) -> Mapping[str, str]:
    release, environment = live.layout.numbered(live.number), str(build.manifest["environment"])
    own = site.lead.read({"env": {"kind": "json", "path": str(release / "env.json")}})["env"] or {}
    more = {"PATH": f"{environment}/bin:{path}", "VIRTUAL_ENV": environment, "NUAGES_RELEASE": str(release)}
    return {**{k: v for k, v in os.environ.items() if k in kept}, **own, **build.environ, **more}


def _no_command(name: str) -> UsageError:
    return UsageError(f"there is no command called {name}", hint="a manage.py command: nuages manage ...")


def manage(site: Site, *words: str) -> None:
    manifest = site.deployed().manifest or {}
    enter(site, (f"{manifest['environment']}/bin/python", os.path.basename(manifest["manage"]), *words))
