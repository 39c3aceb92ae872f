"""What hosts/agent_certs.py says of a host's certificates: asked in the round of reads, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nuages.hosts
from nuages.hosts.command import Command
from nuages.release.layout import Layout
from nuages.topology.model import Topology


PROGRAM = Path(nuages.hosts.__file__).with_name("agent_certs.py")
CERTS = Path("/etc/nuages/certs")


@dataclass(frozen=True)
class Pair:
    """A chain with its key. Times are seconds of the epoch; `problem`, where it can't be served, is for people."""

    names: tuple[str, ...] = ()
    issuer: str = ""
    serial: str = ""
    not_before: float = 0
    not_after: float = 0
    self_signed: bool = False
    chain_length: int = 0
    problem: str = "there is none"

    @property
    def usable(self) -> bool:
        return not self.problem

    def covers(self, name: str) -> bool:
        """RFC 6125, 6.4.3: * stands for one label, the first."""
        return name in self.names or "*." + name.partition(".")[2] in self.names


@dataclass(frozen=True)
class Seen:
    """`wanted` is what the declared kind has made, `served` what the links lead to now, which may be of another kind.

    `answers` and `addresses` (of the DNS, and of the host) are asked only where the wanted pair does not do. `again` is
    when the authority may be asked once more after `failures`; `proved` when a renewal was seen to work, 0 for never.
    """

    now: float = 0
    wanted: Pair = Pair()
    served: Pair = Pair()
    linked: str = ""
    addresses: tuple[str, ...] = ()
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failures: int = 0
    again: float = 0
    error: str = ""
    proved: float = 0
    renewal_error: str = ""


def folder(site: str) -> Path:
    return CERTS / site


def state(layout: Layout) -> Path:
    """Of the authority's account, attempts, and our own authority. Only root gets in."""
    return layout.dir / "certificates"


def authority_path(layout: Layout) -> Path:
    """The certificate of the site's own authority, for people to install where they trust it."""
    return state(layout) / "authority" / "ca.pem"


def question(topology: Topology, layout: Layout, names: tuple[str, ...]) -> dict[str, Any]:
    """For the agent, in the round of reads."""
    return {
        "kind": "certificates",
        "maker": topology.tls.certificate,
        "names": list(names),
        "folder": str(folder(topology.name)),
        "state": str(state(layout)),
        "addresses": not topology.domains,  # then they are its names
    }


def question_of_files(python: str, chain: str, key: str) -> Command:
    """For this machine: what a certificate of the user's own is."""
    return Command((python, "-I", "-S", str(PROGRAM), "pair", chain, key), timeout=30)


def understand(found: Mapping[str, Any]) -> Seen:
    """Of the agent's answer."""
    attempts = found["attempts"]
    return Seen(
        now=found["now"],
        wanted=pair(found["wanted"]),
        served=pair(found["served"]),
        linked=found["linked"],
        addresses=tuple(found["addresses"]),
        answers={name: tuple(answers) for name, answers in found["answers"].items()},
        failures=attempts.get("failures", 0),
        again=attempts.get("again", 0),
        error=attempts.get("error", ""),
        proved=attempts.get("proved", 0),
        renewal_error=attempts.get("renewal_error", ""),
    )


def pair(found: Mapping[str, Any]) -> Pair:
    known = {name: value for name, value in found.items() if name in Pair.__dataclass_fields__}
    return Pair(**{**known, "names": tuple(known.get("names", ()))})
