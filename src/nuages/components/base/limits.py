"""Limits that matter: swap on small machines, the kernel's, the size of the system's journal and of the site's logs."""

from __future__ import annotations

from pathlib import Path

from nuages.components.base.facts import Facts
from nuages.components.contract import Description, File, Placement, Unit
from nuages.components.templating import head, render


GB = 1 << 30
SWAP = "/var/lib/nuages/swap/swapfile"
SWAP_UNIT = "nuages-swap.service"
SYSCTL = "/etc/sysctl.d/60-nuages.conf"
JOURNAL = "/etc/systemd/journald.conf.d/60-nuages.conf"
TEMPLATES = Path(__file__).parent


def describe_swap(placement: Placement, facts: Facts) -> tuple[Description, ...]:
    """On a machine of less than 4 GB without swap, so that a peak is slow rather than the end of a process. A container
    can't have its own, and a file on btrfs or zfs needs more care than it is worth."""
    size = swap_size(placement.machine.memory)
    if not size or facts.swap or facts.container or facts.file_system not in ("ext4", "xfs") or facts.disk < 4 * size:
        return ()
    path = f"/etc/systemd/system/{SWAP_UNIT}"
    text = head("", "make swap of your own, and this is not made any more") + render(
        TEMPLATES, "nuages-swap.service.j2", file=SWAP, megabytes=size >> 20
    )
    return (
        Description(
            name="swap",
            what="a peak of memory is slow rather than fatal",
            scope="host",
            files=(File(path, text),),
            units=(Unit(SWAP_UNIT),),
        ),
    )


def swap_size(memory: int) -> int:
    """Bytes: as much as there is memory, between half a GB and two; none from 4 GB on, or where memory is not known."""
    return 0 if not memory or memory >= 4 * GB else min(2 * GB, max(GB // 2, (memory + GB // 2 - 1) // (GB // 2) * (GB // 2)))


def describe_sysctl(placement: Placement) -> tuple[Description, ...]:
    """The hyphen: where the kernel refuses (in a container), the others still count (sysctl.d(5))."""
    lines = [
        "# A burst of new connections waits rather than being refused: the listen(2) of proxies asks for more than 128.",
        "-net.core.somaxconn = 4096",
        "-net.ipv4.tcp_max_syn_backlog = 4096",
        "# Swap is for peaks: programs stay in memory.",
        "-vm.swappiness = 10",
    ]
    if placement.topology.services.cache not in ("none", "memcached"):
        lines += [
            "# Redis and Valkey fork to save; without this the fork is refused where half of the memory is in use.",
            "-vm.overcommit_memory = 1",
        ]
    text = head("", "write a file that sorts after this one, which wins") + "\n".join(lines) + "\n"
    unit = Unit("systemd-sysctl.service", enabled=None, running=None, on=(SYSCTL,))
    return (
        Description(
            name="sysctl", what="kernel limits that a web server meets", scope="host", files=(File(SYSCTL, text),), units=(unit,)
        ),
    )


def describe_journal() -> Description:
    text = head("", "write a file that sorts after this one, which wins") + "[Journal]\nSystemMaxUse=500M\n"
    unit = Unit("systemd-journald.service", enabled=None, running=None, on=(JOURNAL,))
    return Description(
        name="journal", what="the system's journal stays under 500 MB", scope="host", files=(File(JOURNAL, text),), units=(unit,)
    )


def describe_logs(placement: Placement) -> Description:
    """copytruncate: the processes have their log open, and are not told."""
    site = placement.topology.name
    text = head(site, "edit it here, there is no setting for it") + render(TEMPLATES, "logrotate.j2", logs=placement.layout.logs)
    return Description(
        name="logs",
        what=f"{site}'s logs are rotated",
        packages=("logrotate",),
        files=(File(f"/etc/logrotate.d/nuages-{site}", text),),
        units=(Unit("logrotate.timer"),),
    )
