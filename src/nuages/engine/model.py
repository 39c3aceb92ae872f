"""Values of the engine: what should be, what is, and the steps between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.components.certificates.seen import Seen
from nuages.components.contract import Description, Machine, Placement
from nuages.components.supervisor import Supervisor
from nuages.hosts.transport import Transport
from nuages.migrations.model import Judgement
from nuages.release.layout import Layout
from nuages.settings.configuration import Configuration
from nuages.topology.model import HERE, Host


Op = Mapping[str, Any]
WINDOW = "window"  # and when a migration has run that the live release can't live with: then it stays until a deploy succeeds
PAGE = "deploy"  # what the maintenance file says when a deploy put it there, and not a person


@dataclass(frozen=True)
class Live:
    """First contact: what a host says of the site before anything is planned."""

    layout: Layout
    machine: Machine
    site: Mapping[str, Any] | None
    release: Mapping[str, Any] | None  # release.json of the live numbered release
    numbered: Mapping[str, Mapping[str, Any]]
    config: Mapping[str, Any] | None = field(repr=False)
    builds: tuple[str, ...]
    venvs: tuple[str, ...]
    supervisor: Mapping[str, Any]  # its status; empty when it does not run
    snapshots: tuple[str, ...] = ()
    kept_since: Mapping[str, Any] | None = None  # the newest release for whose predecessors the database keeps defaults
    unfinished: Mapping[str, Any] | None = None  # migrations that a deploy left for after its switch
    programs: str = ""  # version of the supervisor's programs that lies there
    maintenance: bool = False
    page_holds: bool = False  # that page may only go with a new release: the live one does not fit the tables any more
    page_left: bool = False  # the maintenance page is up, put there by a deploy that did not come to its end
    free_port: int = 0  # the first free one from 8000 on, when the site has none yet
    manifest: Mapping[str, Any] | None = None  # of the live build
    policy: Mapping[str, Any] = field(default_factory=dict)  # of the live release
    web: Seen | None = None  # certificates and names, on a server
    access: Mapping[str, Any] = field(default_factory=dict)  # deploy keys and the team's: components.base.access
    locked: bool = False  # a lock lies there, of somebody who deploys or of one who was killed
    host: Host = HERE

    @property
    def number(self) -> int:
        return int(self.release["number"]) if self.release else 0

    @property
    def serving(self) -> str:
        """The generation that has the traffic, or ""."""
        return str(self.supervisor.get("live") or "")

    @property
    def address(self) -> str:
        listen = self.supervisor.get("listen") or []
        return str(listen[0]) if listen else ""


@dataclass(frozen=True)
class Seat:
    """The site on one of its hosts: the way there, and how it stands. `asked` and `answers` are the questions about what
    else lies there that were put in the same round trip, as remembered from the last time."""

    transport: Transport
    live: Live
    asked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    answers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    seen: float = 0  # when, by this machine's monotonic clock


@dataclass(frozen=True)
class Signature:
    """Who makes a release, when (UTC) and why; `back_to` is the number that a rollback brings back."""

    why: str = ""
    by: str = ""
    at: str = ""
    back_to: int = 0


UNSIGNED = Signature()


@dataclass(frozen=True)
class Desired:
    """What the host should be: one numbered release, and the processes of it."""

    placement: Placement
    config: Configuration
    supervisor: Supervisor
    programs: str  # version of the supervisor's programs
    release: Mapping[str, Any]  # release.json
    environ: Mapping[str, str] = field(repr=False)  # env.json
    generation: str
    spec: Mapping[str, Any] = field(repr=False)
    listen: str
    new: bool  # a new numbered release; else the live one, brought (back) up
    why: str
    descriptions: tuple[Description, ...] = ()  # on a server: what should lie there, in this order
    lead: bool = True  # of several hosts, the one that runs migrations

    @property
    def number(self) -> int:
        return self.placement.number


@dataclass(frozen=True)
class Step:
    """One line of a plan. `symbol`: + add, ~ change, - remove, ! risky, ? a gate that only waits or verifies."""

    symbol: str
    host: str
    what: str
    why: str = ""
    ops: tuple[Op, ...] = field(default=(), repr=False)
    undo: tuple[Op, ...] = field(default=(), repr=False)
    phase: str = ""  # of a switch over several hosts: prepare, migrate, start, switch, confirm, keep
    part: str = ""  # what it belongs to, of several steps that make a server ready

    def __str__(self) -> str:
        return f"{self.symbol} {self.host}  {self.what}"

    def as_dict(self) -> dict[str, str]:
        return {"action": self.symbol, "host": self.host, "what": self.what, "why": self.why}


@dataclass(frozen=True)
class Surroundings:
    """What a server lacks for the site, as steps, and what people should hear of it: drift, changes that wait for consent."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    first: bool = False
    drifted: bool = False  # something was changed by hand, and is left as it is


@dataclass(frozen=True)
class Plan:
    """`ready` makes a server fit for the site; each of its steps stays when a later one fails. `switch` runs as one: a
    failure in it takes back what it did. `confirm` asks the live site once the old one is
    ending: where that fails, the release before comes back.
    `settle` follows once the new release is live. `notes` are told with the plan:
    drift, and host-wide changes that wait for consent."""

    switch: tuple[Step, ...] = ()
    settle: tuple[Step, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    reason: str = ""  # why there is nothing to do, when there is nothing
    facts: Mapping[str, Any] = field(default_factory=dict)
    ready: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    confirm: tuple[Step, ...] = ()  # questions to the live site, right after the switch
    first: bool = False  # a certificate is asked for: `ready` is carried out first, and then it is planned anew
    drifted: bool = False  # some of the notes are about drift

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.ready, *self.switch, *self.confirm, *self.settle)

    @property
    def empty(self) -> bool:
        return not self.steps
