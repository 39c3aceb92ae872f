"""What a server told of itself, and the values that a comparison gathers beside its steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.components.contract import Description
from nuages.engine.model import Op, Step
from nuages.hosts.command import Command


EVERYBODY = "*"  # in the ledger's "for": of the host, and not of one site
KEPT = "/var/lib/nuages/kept"
# Their every change concerns all who use the host. So does one of a program that was here before us (all of nginx-... where
# nginx was); of what came with us, only what alters a thing of others.
HOST_WIDE = frozenset({"accounts", "firewall", "ssh", "updates", "time", "swap", "sysctl", "journal"})
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Ready:
    """The answer to `readiness.questions`; see `read_ready` in hosts/agent_ready.py for the shapes."""

    ledger: Mapping[str, Any] = field(repr=False)
    packages: Mapping[str, bool]
    accounts: Mapping[str, Mapping[str, Any] | None]
    paths: Mapping[str, Mapping[str, Any] | None]
    units: Mapping[str, Mapping[str, str]]
    occupied: Mapping[str, Any]
    listeners: Sequence[Mapping[str, Any]] = ()
    guards: Sequence[str] = ()
    compilers: Sequence[str] = ()
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # answers of conflicts' commands, by key

    @property
    def serves_others(self) -> bool:
        """As it was when Nuages first came."""
        return any(self.occupied.get(kind) for kind in ("listeners", "sites", "databases"))


def understand(answers: Mapping[str, Any]) -> Ready:
    """What the answers to `readiness.questions` say, among whatever else was answered."""
    asked = {key: value for key, value in answers.items() if key.startswith("conflict ")}
    return Ready(**answers["ready"], asked=asked)


@dataclass(frozen=True)
class Drift:
    """Something that a person changed by hand: shown, never overwritten. `hint` says the choices."""

    host: str
    path: str
    what: str
    hint: str


@dataclass(frozen=True)
class Consent:
    """A host-wide change that waits for `accept` to name its `id`, on a server that serves others."""

    id: str
    host: str
    what: str
    changes: tuple[str, ...]

    @property
    def hint(self) -> str:
        return f'to have it: accept = ["{self.id}"] in nuages.toml'


@dataclass(frozen=True)
class Piece:
    """A step of a description. `alters` what others have on the host; `path` is the file that it changes."""

    step: Step
    alters: bool = False
    path: str = ""


@dataclass
class Room:
    """One comparison under way: what is known, and what is gathered beside the steps."""

    ready: Ready
    host: str
    site: str
    accept: frozenset[str]
    fresh: frozenset[str]  # names of descriptions whose packages come with this plan
    theirs: frozenset[str] = frozenset()  # subjects whose package was here before us
    drift: list[Drift] = field(default_factory=list)
    consent: list[Consent] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    started: set[str] = field(default_factory=set)  # units that a step before takes care of

    def step(self, symbol: str, what: str, why: str, *ops: Op, undo: tuple[Op, ...] = ()) -> Step:
        return Step(symbol, self.host, what, why, ops, undo)

    def whose(self, description: Description) -> str:
        return EVERYBODY if description.scope == "host" else self.site

    def entry(self, kind: str, key: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.ready.ledger.get(kind, {}).get(key)
        return found

    def brought(self, description: Description) -> bool:
        """Did its packages come with us? Then, after a run that was cut off, so did what lies in its places."""
        ours = self.ready.ledger.get("packages", {})
        return bool(description.packages) and all(name in ours for name in description.packages)

    def agreed(self, description: Description, pieces: Sequence[Piece]) -> list[Piece]:
        """Without what needs a word first; that is told in `consent`."""
        refused = self._refused(description, pieces)
        if refused:
            changes = tuple(dict.fromkeys(piece.step.what for piece in refused))
            self._ask(Consent(subject(description), self.host, description.what, changes))
        return [piece for piece in pieces if piece not in refused]

    def _refused(self, description: Description, pieces: Sequence[Piece]) -> list[Piece]:
        others = self.ready.serves_others or (description.name == "firewall" and bool(self.ready.occupied.get("rules")))
        if not others or subject(description) in self.accept:
            return []
        of_theirs = description.scope == "host" and subject(description) in self.theirs
        if description.name in HOST_WIDE or of_theirs:
            return [] if self._has(description) else list(pieces)
        return [piece for piece in pieces if piece.alters and description.scope == "host"]

    def _ask(self, wish: Consent) -> None:
        """Several descriptions of one subject are one question."""
        same = next((one for one in self.consent if one.id == wish.id), None)
        if same:
            self.consent.remove(same)
            wish = replace(same, changes=(*same.changes, *wish.changes))
        self.consent.append(wish)

    def _has(self, description: Description) -> bool:
        """Is it here already, by an earlier word?"""
        return any(entry.get("by") == description.name for entry in self.ready.ledger.get("files", {}).values())


def subject(description: Description) -> str:
    """What people consent to: nginx, of which nginx-shared is a part."""
    return description.name.partition("-")[0]


def run_op(command: Command, user: str = "") -> dict[str, Any]:
    """Arguments of the agent's `run` and `command`. Programs of administrators are found too."""
    account = user or command.user
    return {
        "argv": list(command.argv),
        "env": {"PATH": PATH, "LANG": "C.UTF-8", **command.environment()},
        "cwd": command.cwd or None,
        "timeout": command.timeout,
        "user": "" if account == "root" else account,
    }


def revealed(text: object) -> str:
    return text.reveal() if hasattr(text, "reveal") else str(text)
