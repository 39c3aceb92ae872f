"""Programs of the runtime, run in the live release: its Python, its settings, its configuration, its account."""

from __future__ import annotations

import json
from typing import Any

from nuages.engine.model import Live
from nuages.engine.prepare import find_build
from nuages.errors import CommandError
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport


def ask_inside(host: Transport, live: Live, account: str, program: str, *words: str, timeout: float = 60) -> Any:
    """What `nuages_runtime.PROGRAM` answers in JSON on its last line. Raises CommandError where it does not."""
    result = host.run(command_inside(host, live, account, program, *words, timeout=timeout))
    lines = result.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise CommandError("the live release's settings can't be asked", where=host.name, detail=result.tail(8)) from error


def command_inside(host: Transport, live: Live, account: str, program: str, *words: str, timeout: float = 60) -> Command:
    release = live.layout.numbered(live.number)
    build = find_build(host, live, (live.release or {})["build"])
    environment = str(build.manifest["environment"])
    own = host.read({"env": {"kind": "json", "path": str(release / "env.json")}})["env"] or {}
    more = {"PATH": f"{environment}/bin:/usr/local/bin:/usr/bin:/bin", "VIRTUAL_ENV": environment, "NUAGES_RELEASE": str(release)}
    argv = (f"{environment}/bin/python", "-m", f"nuages_runtime.{program}", *words)
    return Command(argv, env={**own, **build.environ, **more}, cwd=str(build.manage_dir), user=account, timeout=timeout)
