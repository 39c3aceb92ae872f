"""Which addresses and names a lab has on this machine (pure).

Each lab has a number, and by it a /24 of 198.18.0.0/15: the range of RFC 2544 is for benchmarks and never routed, so
it can't hide a network that is in use. Names of links have at most 15 letters, so they carry numbers only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from nuages.errors import UsageError


LABS = 512
FIRST_HOST, LAST_HOST = 11, 250
ONE_WORD = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Addresses:
    """What the lab of a number is called by the kernel."""

    number: int

    @property
    def prefix(self) -> str:
        return f"198.{18 + self.number // 256}.{self.number % 256}"

    @property
    def network(self) -> str:
        return f"{self.prefix}.0/24"

    @property
    def gateway(self) -> str:
        return f"{self.prefix}.1"

    @property
    def bridge(self) -> str:
        return f"nulab{self.number}"

    @property
    def table(self) -> str:
        """Of nftables, where a hyphen is not allowed in a name."""
        return f"nuages_lab_{self.number}"

    def host(self, number: int) -> str:
        return f"{self.prefix}.{number}"

    def link(self, number: int) -> str:
        """The end of a host's cable that is on this machine."""
        return f"nulab{self.number}.{number}"

    def namespace(self, number: int) -> str:
        return f"nuages-lab-{self.number}-{number}"


def free_number(taken: Collection[int], *, first: int, last: int, what: str) -> int:
    for number in range(first, last + 1):
        if number not in taken:
            return number
    raise UsageError(f"all {last - first + 1} numbers for a {what} are taken", hint="nuages lab status lists what is there")


def checked_name(name: str, what: str = "host") -> str:
    if not ONE_WORD.fullmatch(name):
        raise UsageError(f"{name!r} can't name a {what}", hint="small letters, digits and hyphens, at most 40, as in web-1")
    return name
