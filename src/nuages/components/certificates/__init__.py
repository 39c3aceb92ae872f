"""Certificates: where the proxy finds its key and chain, and how they come there and are renewed.

Every kind keeps whole pairs in folders of their own below /etc/nuages/certs/<site>; fullchain.pem and privkey.pem there
are links, so a chain is never found with the key of another. What already lies on the host is asked first
(`seen.question`), `deciding.decide` says what follows of it, and only then does a component describe.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.certificates.deciding import Decision
from nuages.components.contract import Description, Placement


class Certificates(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement, decision: Decision) -> Description:
        """What it wants of this host, after what was decided of what was seen there."""
