"""One-off commands in the live release's environment: run, manage, shell and dbshell share this."""

from __future__ import annotations

import json
import os

from nuages.cli.site import Site
from nuages.release.build import load_build


# What a terminal program needs of the caller's environment; nothing else of it reaches the site.
KEPT = ("HOME", "USER", "TERM", "LANG", "LC_ALL", "PAGER", "EDITOR", "COLUMNS", "LINES", "SHELL", "TMPDIR")


def enter(site: Site, argv: tuple[str, ...]) -> None:
    """Replace this process by the command, with the live release's code, settings and configuration."""
    live = site.deployed()
    release = live.layout.numbered(live.number)
    build = load_build(live.layout, (live.release or {})["build"])
    environment = str(build.manifest["environment"])
    env = {k: v for k, v in os.environ.items() if k in KEPT}
    env |= json.loads((release / "env.json").read_text()) | build.environ
    env |= {
        "PATH": f"{environment}/bin:{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": environment,
        "NUAGES_RELEASE": str(release),
    }
    os.chdir(build.manage_dir)
    try:
        os.execvpe(argv[0], argv, env)  # noqa: S606
    except FileNotFoundError as error:
        from nuages.errors import UsageError

        raise UsageError(f"there is no command called {argv[0]}", hint="a manage.py command: nuages manage ...") from error


def manage(site: Site, *words: str) -> None:
    live = site.deployed()
    manifest = load_build(live.layout, (live.release or {})["build"]).manifest
    enter(site, (f"{manifest['environment']}/bin/python", os.path.basename(manifest["manage"]), *words))
