"""What nuages.toml says of a deploy's own steps: [pipeline], [hooks] and [notify]."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nuages.errors import TopologyError, UsageError
from nuages.topology.model import Errors, Hooks, Notify, Pipeline, Smoke, Topology


SKIPPABLE = ("tests", "audit", "smoke", "hooks", "notify")
OCCASIONS = ("start", "deploy", "rollback", "config", "scale", "failure")
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
STATUSES = re.compile(r"[1-5](\d\d|xx)(,[1-5](\d\d|xx))*$")


def pipeline_of(table: Mapping[str, Any]) -> Pipeline:
    plain = Pipeline(**{k: v for k, v in table.items() if not k.startswith("smoke")})
    _words(plain.tests, "pipeline.tests")
    return replace(plain, smoke=_questions(table, "smoke"), smoke_live=_questions(table, "smoke_live"))


def _questions(table: Mapping[str, Any], name: str) -> tuple[Smoke, ...]:
    return tuple(smoke_of(line, f"pipeline.{name}.{index}") for index, line in enumerate(table.get(name, [])))


def smoke_of(line: str, where: str) -> Smoke:
    """`/`, `/healthz 200`, `/ contains Welcome`, `/shop 200 contains The basket is empty`."""
    question, _, text = line.partition(" contains ")
    path, *rest = question.split() or [""]
    if not path.startswith("/") or len(rest) > 1 or (rest and not STATUSES.match(rest[0])):
        raise TopologyError(
            f"{line!r} is not a question", where=where, hint='"/healthz 200", "/ contains Welcome", "/old 301,302"'
        )
    return Smoke(path, rest[0] if rest else "200", text.strip())


def hooks_of(table: Mapping[str, Any]) -> Hooks:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    hooks = Hooks(**fields)
    for name in ("before_build", "before_migrate", "after_switch", "on_failure"):
        for index, line in enumerate(getattr(hooks, name)):
            if not _words(line, f"hooks.{name}.{index}"):
                raise TopologyError("is empty", where=f"hooks.{name}.{index}", hint='"./scripts/purge-cdn"')
    return hooks


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise TopologyError(f"can't be read as a command: {error}", where=where) from error


def notify_of(table: Mapping[str, Any]) -> Notify:
    notify = Notify(**{k: tuple(v) for k, v in table.items()})
    for index, name in enumerate(notify.webhook):
        if not re.fullmatch(VARIABLE, name):
            raise TopologyError(
                "is no name of a variable",
                where=f"notify.webhook.{index}",
                hint="a webhook's address is a secret: nuages config set NOTIFY_WEBHOOK=https://... and the name here",
            )
    for index, address in enumerate(notify.mail):
        if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", address):
            raise TopologyError(f"{address!r} is not an address", where=f"notify.mail.{index}", hint='"ops@shop.example"')
    for index, occasion in enumerate(notify.on):
        if occasion not in OCCASIONS:
            raise TopologyError(f"there is no {occasion!r}", where=f"notify.on.{index}", hint="one of: " + ", ".join(OCCASIONS))
    return notify


def errors_of(table: Mapping[str, Any]) -> Errors:
    errors = Errors(tuple(table.get("mail", ())), table.get("webhook", ""))
    for index, address in enumerate(errors.mail):
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise TopologyError(f"{address!r} is no address", where=f"errors.mail.{index}", hint='mail = ["ada@shop.example"]')
    if errors.webhook and not re.fullmatch(VARIABLE, errors.webhook):
        hint = 'the name of a variable that holds it: `nuages config set ERRORS_WEBHOOK=https://...`, then webhook = "ERRORS_WEBHOOK"'
        raise TopologyError("an address of a webhook is a secret, and this file is none", where="errors.webhook", hint=hint)
    return errors


def skipped(said: str) -> tuple[str, ...]:
    """The steps that a person names, with commas between. Raises UsageError for one that there is not."""
    names = tuple(part.strip() for part in said.split(",") if part.strip())
    for name in names:
        if name not in SKIPPABLE:
            raise UsageError(f"there is no step called {name!r} to skip", hint="one or more of: " + ",".join(SKIPPABLE))
    return names


def without(topology: Topology, skip: tuple[str, ...]) -> Topology:
    """For one deploy: `--skip tests,smoke`."""
    changes: dict[str, Any] = {"tests": {"tests": ""}, "audit": {"audit": False}, "smoke": {"smoke": (), "smoke_live": ()}}
    pipeline = topology.pipeline
    for name in skip:
        pipeline = replace(pipeline, **changes.get(name, {}))
    hooks = Hooks() if "hooks" in skip else topology.hooks
    return replace(topology, pipeline=pipeline, hooks=hooks, notify=Notify() if "notify" in skip else topology.notify)
