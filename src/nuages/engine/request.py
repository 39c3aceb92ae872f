"""What a verb asks for, and whom the engine tells while it works."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from nuages.engine.model import Desired, Live, Plan, Signature
from nuages.migrations.model import Judgement
from nuages.settings.configuration import Configuration
from nuages.settings.model import Finding
from nuages.topology.model import Topology
from nuages.topology.pipeline import without


def unchanged(config: Configuration) -> Configuration:
    return config


@dataclass(frozen=True)
class Request:
    """`source`: project (build from the files in `root`), live (the build that is live), release (an earlier `number`) or
    build (one that lies there already, with the `policy` of the environment that it comes from)."""

    root: Path
    tree: Path | None = None  # a checkout of the commit to build, in place of what lies in `root`
    what: str = "up"
    source: str = "project"
    number: int = 0
    environment: str = ""  # "": the one that -e chose, else production
    build: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict, repr=False)
    change: Callable[[Configuration], Configuration] = unchanged
    overrides: dict[str, Any] = field(default_factory=dict)  # of the topology: port, bind ...
    force: bool = False  # a new generation even when nothing changed
    only_plan: bool = False
    check: bool = True
    adopt: bool = False  # take over a site that was deployed from another folder
    why: str = ""
    wait: float = 0  # seconds, for a lock that somebody else holds
    accept_new: bool = False  # host keys that ssh does not know yet
    accept: tuple[str, ...] = ()  # besides those of nuages.toml, this time
    skip: tuple[str, ...] = ()  # of the pipeline, this time: tests, audit, smoke, hooks, notify
    rerun_tests: bool = False  # also where the same files have passed
    agreed: bool = False  # the plan is not asked about: it takes back what was agreed to
    move: Callable[[Desired, Live], tuple[Judgement, ...]] | None = None  # its rows come from another database
    asked: bool = False  # the authority has been asked for a certificate; whatever it said, the site goes live now

    def adjust(self, topology: Topology) -> Topology:
        asked = replace(topology, **self.overrides, accept=(*topology.accept, *self.accept))
        return without(asked, self.skip) if self.skip else asked

    def signature(self) -> Signature:
        at = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Signature(why=self.why, by=user(), at=at, back_to=self.number if self.source == "release" else 0)

    def owner(self, topology: Topology) -> Topology | None:
        return None if self.adopt else topology


def user() -> str:
    """Who deploys, as releases and locks name them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class Console(Protocol):
    """Whom the engine tells. The command line shows it; tests record it."""

    def progress(self, line: str) -> None:
        """A long stage is alive."""

    def note(self, line: str) -> None:
        """Something was decided that the user should hear once."""

    def findings(self, findings: tuple[Finding, ...]) -> None:
        """The audit's answer, before anything is built on it."""

    def plan(self, plan: Plan) -> None:
        """The plan, before the first write."""

    def agreed(self, plan: Plan) -> bool:
        """May it be applied?"""

    def step(self, event: dict[str, Any]) -> None:
        """A step begins, prints a line, is done or failed."""
