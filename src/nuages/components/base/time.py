"""The clock: systemd's client of NTP, unless another program keeps the time already."""

from __future__ import annotations

from nuages.components.base.facts import Facts
from nuages.components.contract import Description, Placement, Unit


def describe_time(placement: Placement, facts: Facts) -> tuple[Description, ...]:
    """A container has the clock of the machine below it (systemd-timesyncd(8) does not start there)."""
    if facts.clock or facts.container:
        return ()
    return (
        Description(
            name="time",
            what="the clock is right: certificates and logs depend on it",
            scope="host",
            packages=("systemd-timesyncd",),
            units=(Unit("systemd-timesyncd.service"),),
        ),
    )
