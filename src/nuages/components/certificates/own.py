"""A certificate of the user's own: two files on the user's machine, checked before they travel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.certificates import Certificates, seen
from nuages.components.certificates.deciding import Decision
from nuages.components.contract import Description, Directory, File, Link, Placement, Unit
from nuages.errors import TopologyError
from nuages.hosts.command import run
from nuages.secret import Secret
from nuages.topology.model import Tls


DAY = 86400


@dataclass(frozen=True)
class Given:
    """What the user's files hold. `ca` is of tls.acme_ca; the others of cert_file and key_file."""

    chain: str = ""
    key: Secret = field(default=Secret(""))
    ca: str = ""


def read_given(tls: Tls, root: Path) -> Given:
    """Paths are below the project, or absolute. The one place of this room that reads files; raises TopologyError."""
    if tls.certificate == "own":
        return Given(_read(root, tls.cert_file, "tls.cert_file"), Secret(_read(root, tls.key_file, "tls.key_file")))
    return Given(ca=_read(root, tls.acme_ca, "tls.acme_ca")) if tls.acme_ca else Given()


def _read(root: Path, name: str, where: str) -> str:
    if not name:
        raise TopologyError("names no file", where=where, hint='tls.certificate = "own" needs cert_file and key_file')
    try:
        return (root / Path(name).expanduser()).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise TopologyError(f"{name} can't be read: {error}", where=where) from error


def check(answer: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """`answer` is of `seen.question_of_files`. Raises TopologyError where browsers would refuse it; returns notes."""
    found, now = seen.pair(answer), float(answer.get("now", 0))
    if found.problem:
        raise TopologyError(f"the certificate can't be used: {found.problem}", where="tls.cert_file")
    missing = [name for name in names if not found.covers(name)]
    if missing:
        hint = f"it is for {', '.join(found.names) or 'no name at all (subjectAltName)'}"
        raise TopologyError(f"the certificate is not for {', '.join(missing)}", where="tls.cert_file", hint=hint)
    days = (found.not_after - now) / DAY
    if days <= 0 or found.not_before > now:
        when = f"ended {-days:.0f} days ago" if days <= 0 else "is not valid yet"
        raise TopologyError(f"the certificate {when}", where="tls.cert_file", hint="get a new one from your authority")
    notes: tuple[str, ...] = (f"your certificate ends in {days:.0f} days; nobody renews it but you",) if days < 30 else ()  # noqa: PLR2004
    if found.chain_length < 2 and not found.self_signed:  # noqa: PLR2004
        notes += ("cert_file holds one certificate: without your authority's intermediate one, some clients refuse it",)
    return notes


class Own(Certificates):
    name: ClassVar[str] = "own"

    def describe(self, placement: Placement, decision: Decision, given: Given | None = None) -> Description:
        pair = given or Given()
        site = placement.topology.name
        folder = seen.folder(site)
        version = "own-" + hashlib.sha256((pair.chain + pair.key.reveal()).encode()).hexdigest()[:12]
        links = tuple(Link(str(folder / name), f"{version}/{name}") for name in ("fullchain.pem", "privkey.pem"))
        return Description(
            name="certificate",
            what="your own certificate",
            directories=(
                Directory("/etc/nuages/certs"),
                Directory(str(folder), 0o700),
                Directory(str(folder / version), 0o700),
            ),
            files=(
                File(str(folder / version / "fullchain.pem"), pair.chain),
                File(str(folder / version / "privkey.pem"), pair.key, 0o600),
            ),
            links=links,
            verify=run("/usr/sbin/nginx", "-t", "-q", timeout=30),
            units=(Unit("nginx.service", reload=True, on=tuple(link.path for link in links)),),
        )
