"""What can go wrong with a host on purpose: values, and how a word of the command line becomes one (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nuages.errors import UsageError


SIZE = re.compile(r"(\d+)([KMGT]?)(?:i?B)?", re.IGNORECASE)
RATE = re.compile(r"\d+(?:bit|kbit|mbit|gbit)")
OFFSET = re.compile(r"[+-]\d+[smhdy]")
NO_LIMIT = "off"


@dataclass(frozen=True)
class Signal:
    """`process` is the name of a program, a unit (nginx.service), or a process id as the host counts."""

    process: str


class Kill(Signal):
    """End it at once, with no word to it."""


class Hang(Signal):
    """It stays, holds its sockets, and does nothing."""


class Resume(Signal):
    """Undo of Hang."""


@dataclass(frozen=True)
class PowerOff:
    """Everything stops at once. The kernel is the outer machine's, so what was written is kept even if not synced."""


@dataclass(frozen=True)
class PowerOn:
    """Undo of PowerOff: boot from the disk as it was left."""


@dataclass(frozen=True)
class Reboot:
    """As `systemctl reboot` does."""


@dataclass(frozen=True)
class Freeze:
    """As a paused virtual machine: the kernel still takes connections, no process moves."""


@dataclass(frozen=True)
class Thaw:
    """Undo of Freeze."""


@dataclass(frozen=True)
class Cut:
    """Off the network, in silence. `one_way`: "in" (it hears nothing) or "out" (nobody hears it); `loss` in percent;
    `peer`: cut off from this host only."""

    one_way: str = ""
    loss: int = 100
    peer: str = ""

    def __post_init__(self) -> None:
        if self.one_way not in ("", "in", "out"):
            raise UsageError(f"{self.one_way!r} is no direction", hint="in: the host hears nothing; out: nobody hears it")
        if not 1 <= self.loss <= 100:  # noqa: PLR2004  percent
            raise UsageError(f"{self.loss} is no loss in percent", hint="1 to 100")


@dataclass(frozen=True)
class Heal:
    """Undo of Cut."""


@dataclass(frozen=True)
class FillDisk:
    """Needs a host with a disk of its own size. `leave` is in bytes."""

    leave: int = 0


@dataclass(frozen=True)
class FreeDisk:
    """Undo of FillDisk."""


@dataclass(frozen=True)
class Memory:
    """Bytes for all of the host; None: no limit."""

    amount: int | None


@dataclass(frozen=True)
class Cpu:
    """Percent of one core; None: no limit."""

    percent: int | None


@dataclass(frozen=True)
class Bandwidth:
    """As tc writes it (512kbit), in each direction; "": no limit. A reboot ends it."""

    rate: str


@dataclass(frozen=True)
class Clock:
    """The wall clock that the processes of one unit see: +90s, -1h; "" for the true one. The unit is restarted."""

    unit: str
    offset: str


Fault = (
    Kill | Hang | Resume | PowerOff | PowerOn | Reboot | Freeze | Thaw | Cut | Heal
    | FillDisk | FreeDisk | Memory | Cpu | Bandwidth | Clock
)  # fmt: skip


def size(text: str) -> int:
    """10M, 2G, 512 -> bytes."""
    found = SIZE.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} is no size", hint="512M, 2G")
    return int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ")


def fill_disk(leave: str) -> FillDisk:
    """Fill the disk of a host that has one of its own size."""
    return FillDisk(size(leave))


def memory(text: str) -> Memory:
    """Limit the memory of all of the host's processes together; past it the kernel kills one."""
    return Memory(None if text == NO_LIMIT else size(text))


def cpu(text: str) -> Cpu:
    """Limit all of the host's processes together to a share of one core."""
    if text == NO_LIMIT:
        return Cpu(None)
    number = text.removesuffix("%")
    if not number.isdigit() or not int(number):
        raise UsageError(f"{text!r} is no share of a core", hint="50%, 200%, or off")
    return Cpu(int(number))


def bandwidth(text: str) -> Bandwidth:
    """Slow the host's cable down, in each direction. A reboot ends it."""
    if text != NO_LIMIT and not RATE.fullmatch(text):
        raise UsageError(f"{text!r} is no rate", hint="512kbit, 10mbit, or off")
    return Bandwidth("" if text == NO_LIMIT else text)


def clock(unit: str, offset: str) -> Clock:
    """Skew the wall clock that the processes of one unit see; the unit is restarted."""
    if offset != NO_LIMIT and not OFFSET.fullmatch(offset):
        raise UsageError(f"{offset!r} is no offset", hint="+90s, -1h, +2d, or off")
    return Clock(unit if "." in unit else f"{unit}.service", "" if offset == NO_LIMIT else offset)
