"""ACME (RFC 8555) by certbot: a certificate that browsers trust, renewed by a timer of the site's own.

certbot keeps this site's account and certificates in folders of their own: /etc/letsencrypt, and other sites of the
host that certbot looks after, are not touched. docs/decisions/0007 says why certbot.
"""

from __future__ import annotations

from typing import ClassVar

from nuages.components.certificates import Certificates, renewing
from nuages.components.certificates.deciding import Decision
from nuages.components.certificates.seen import state
from nuages.components.contract import Description, Directory, File, Placement


LETS_ENCRYPT = "Let's Encrypt"
ACME_ROOT = "/var/lib/nuages/acme"  # the proxy serves what lies there (components/proxy)


class Acme(Certificates):
    name: ClassVar[str] = "acme"

    def describe(self, placement: Placement, decision: Decision, ca: str = "") -> Description:
        """`ca` is the PEM text of tls.acme_ca."""
        tls, shown = placement.topology.tls, ", ".join(decision.names)
        ca_file = str(state(placement.layout) / "acme-ca.pem") if ca else ""
        told = {"server": tls.acme_server, "ca": ca_file, "email": tls.email, "webroot": ACME_ROOT}
        why = f"{decision.seen.wanted.problem or 'the one that is there is for other names, or ended'}; their DNS points here"
        return Description(
            name="certificate",
            what=f"a certificate for {shown} from {tls.acme_server or LETS_ENCRYPT}, renewed in time",
            packages=("certbot",),
            directories=(*renewing.directories(placement), Directory(ACME_ROOT)),
            files=(*renewing.files(placement, decision, **told), *((File(ca_file, ca),) if ca else ())),
            links=renewing.links(placement, decision),
            units=renewing.units(placement),
            actions=renewing.asking(placement, decision, f"ask for a certificate for {shown}", why),
        )
