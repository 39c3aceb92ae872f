"""Proxy: takes HTTP and HTTPS from the world, serves static files and uploads, and sends the rest to the site's socket.

It finds the live release through one link (`layout.socket`), so a deploy does not touch it. While the site has no
certificate it is served over http; what certificates need (ACME_ROOT over http, for every name) is answered first.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Certificate, Description, Placement
from nuages.topology.model import Host, Topology


ACME_ROOT = "/var/lib/nuages/acme"  # what lies in its .well-known/acme-challenge/ is served over http under every name


class Proxy(Protocol):
    name: ClassVar[str]

    def host(self, placement: Placement) -> tuple[Description, ...]:
        """What all sites of this host share: the program, its limits, the answer to unknown names and to authorities."""

    def site(self, placement: Placement, certificate: Certificate) -> Description:
        """This site: over https where the certificate is ready, else over http."""


def names_of(topology: Topology, host: Host) -> tuple[str, ...]:
    """The names that the site answers to: its domains, or what the server is called and reached by."""
    return topology.domains or tuple(dict.fromkeys(name for name in (*host.addresses, host.address, host.name) if name))
