"""What every server needs, whatever runs on it: accounts, folders, firewall, sshd, updates, time, limits."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.components.base.accounts import describe_accounts, describe_site
from nuages.components.base.facts import QUESTIONS, Facts
from nuages.components.base.firewall import describe_firewall, describe_ports
from nuages.components.base.limits import describe_journal, describe_logs, describe_swap, describe_sysctl
from nuages.components.base.ssh import describe_ssh
from nuages.components.base.time import describe_time
from nuages.components.base.updates import describe_updates
from nuages.components.contract import Description, Placement, Port


__all__ = ["QUESTIONS", "Facts", "describe_base"]


def describe_base(placement: Placement, ports: Sequence[Port]) -> tuple[Description, ...]:
    """What this host needs before any other component. `ports` are those of all other descriptions."""
    facts = Facts.read(placement.machine.facts)
    described = (
        *describe_accounts(placement, facts),
        describe_site(placement),
        describe_logs(placement),
        *describe_time(placement, facts),
        *describe_updates(placement),
        describe_journal(),
        *describe_sysctl(placement),
        *describe_swap(placement, facts),
        *describe_firewall(placement, facts),
        *describe_ports(placement, ports, facts),
        *describe_ssh(placement, facts),
    )
    return tuple(described)
