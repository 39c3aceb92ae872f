"""An authority of the site's own, for the lab and private networks: made on the host, where its key stays.

It may sign for the site's own names only (name constraints, RFC 5280, 4.2.1.10): who trusts it risks nothing else.
"""

from __future__ import annotations

from typing import ClassVar

from nuages.components.certificates import Certificates, renewing
from nuages.components.certificates.deciding import Decision
from nuages.components.certificates.seen import authority_path
from nuages.components.contract import Description, Placement


class LocalCa(Certificates):
    name: ClassVar[str] = "local-ca"

    def describe(self, placement: Placement, decision: Decision) -> Description:
        shown = ", ".join(decision.names)
        why = f"who shall trust it installs {authority_path(placement.layout)}"
        return Description(
            name="certificate",
            what=f"a certificate for {shown} from an authority of the site's own",
            packages=("openssl",),
            directories=renewing.directories(placement),
            files=renewing.files(placement, decision),
            links=renewing.links(placement, decision),
            units=renewing.units(placement),
            actions=renewing.asking(placement, decision, f"make a certificate for {shown}", why),
        )
