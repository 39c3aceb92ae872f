"""Commands of the user's at four points of a deploy: on this machine, in the project's folder.

They inherit the environment of whoever deploys, as git's hooks do, with the facts of the deploy beside it. Nothing of the
site's configuration is given to them.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nuages.engine.facts import Facts
from nuages.engine.model import Plan, Step
from nuages.errors import CommandTimeoutError, HostError, PipelineError
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport
from nuages.topology.model import Topology


HOOK = "hook"  # the op of a step that is carried out here and not by a host
TAIL = 12
SHOWN = 100  # characters of a command
HARMLESS = ("after_switch", "on_failure")  # their failure is told and changes nothing
WHY = {
    "before_build": "before the project is read",
    "before_migrate": "on this machine; nothing has been changed yet",
    "after_switch": "on this machine; where it fails nothing is taken back",
    "on_failure": "the deploy has failed",
}


def step_of(name: str, line: str, host: str) -> Step:
    shown = " ".join(line.split())
    what = f"hook {name}: {shown if len(shown) <= SHOWN else f'{shown[:SHOWN]} ...'}"
    return Step("!", host, what, WHY[name], ({"op": HOOK, "hook": name, "line": line},))


def is_hook(step: Step) -> bool:
    return bool(step.ops) and step.ops[0]["op"] == HOOK


def with_hooks(plan: Plan, topology: Topology) -> Plan:
    """The plan with the hooks that it will come to: before its migrations, and after its switch to a new release."""
    hooks, host = topology.hooks, topology.hosts[0].name if topology.remote else "localhost"
    if plan.first or plan.facts.get("release") == plan.facts.get("live"):
        return plan
    migrates = any(judgement.pending or judgement.everything for judgement in plan.judgements)
    before = tuple(step_of("before_migrate", line, host) for line in hooks.before_migrate if migrates)
    after = tuple(step_of("after_switch", line, host) for line in hooks.after_switch)
    return replace(plan, ready=(*plan.ready, *before), settle=(*after, *plan.settle))


def carry_out(
    step: Step, facts: Facts, topology: Topology, here: Transport, tell: Callable[[dict[str, Any]], None], error: str = ""
) -> None:
    """Run one. Raises PipelineError with the end of its output where it fails."""
    name, line = str(step.ops[0]["hook"]), str(step.ops[0]["line"])
    env = {**os.environ, **facts.environ(name, error)}
    command = Command(tuple(shlex.split(line)), env=env, cwd=str(topology.root), timeout=topology.hooks.within)
    said: list[str] = []
    started = time.monotonic()

    def hear(line: str) -> None:
        said.append(line)
        tell({"event": "output", "text": str(step), "line": line})

    tell({"event": "begin", "text": str(step)})
    failed = _failure(here, command, hear)
    if failed:
        tell({"event": "failed", "text": str(step), "what": failed, "detail": "\n".join(said[-TAIL:]), "hint": "", "undone": []})
        raise PipelineError(f"the hook {name} {failed}", where=line, detail="\n".join(said[-TAIL:]), hint=HINTS[name])
    tell({"event": "done", "text": str(step), "seconds": round(time.monotonic() - started, 2)})


HINTS = {
    "before_build": "nothing was changed; --skip hooks deploys without them",
    "before_migrate": "no migration was run, and what was live still serves; --skip hooks deploys without them",
    "after_switch": "the new release is live all the same; run it by hand once it is mended",
    "on_failure": "",
}


def _failure(here: Transport, command: Command, hear: Callable[[str], None]) -> str:
    try:
        result = here.run(command, hear)
    except CommandTimeoutError:
        return f"took longer than {command.timeout:g} s"
    except HostError as error:  # it can't be started
        return f"can't be run: {error.what}"
    return "" if result.ok else f"failed with status {result.status}"
