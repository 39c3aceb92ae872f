"""Security updates install themselves; nothing else does, and nothing reboots."""

from __future__ import annotations

from nuages.components.contract import Description, File, Placement, Unit
from nuages.components.templating import head


HERE = "edit it here, there is no setting for it"
SETTINGS = "/etc/apt/apt.conf.d/52nuages"  # after 50unattended-upgrades, whose lists it replaces
ORIGINS = {
    "debian": ("Origins-Pattern", ("origin=Debian,codename=${distro_codename}-security,label=Debian-Security",)),
    "ubuntu": (
        "Allowed-Origins",
        (
            "${distro_id}:${distro_codename}-security",
            "${distro_id}ESMApps:${distro_codename}-apps-security",
            "${distro_id}ESM:${distro_codename}-infra-security",
        ),
    ),
}


def describe_updates(placement: Placement) -> tuple[Description, ...]:
    system = placement.machine.os
    if not placement.topology.services.updates or system not in ORIGINS:
        return ()
    return (
        Description(
            name="updates",
            what="security updates install themselves, without reboots",
            scope="host",
            packages=("unattended-upgrades",),
            files=(
                File(SETTINGS, head("", "updates = false in [services] switches it off", "//") + _settings(system)),
                File("/etc/needrestart/conf.d/50-nuages.conf", head("", HERE) + _needrestart()),
            ),
            units=(
                Unit("apt-daily.timer"),
                Unit("apt-daily-upgrade.timer"),
                Unit("unattended-upgrades.service"),
            ),
        ),
    )


def _settings(system: str) -> str:
    """`#clear` is apt.conf(5)'s way to empty a list that an earlier file filled."""
    name, origins = ORIGINS[system]
    lines = "".join(f'  "{origin}";\n' for origin in origins)
    return (
        'APT::Periodic::Update-Package-Lists "1";\n'
        'APT::Periodic::Unattended-Upgrade "1";\n'
        'APT::Periodic::AutocleanInterval "7";\n'
        "#clear Unattended-Upgrade::Origins-Pattern;\n"
        "#clear Unattended-Upgrade::Allowed-Origins;\n"
        f"Unattended-Upgrade::{name} {{\n{lines}}};\n"
        'Unattended-Upgrade::Automatic-Reboot "false";\n'
        'Unattended-Upgrade::Remove-Unused-Dependencies "false";\n'
    )


def _needrestart() -> str:
    """It must not restart a site's processes in the midst of requests: the next deploy or `nuages restart` takes the new libraries."""
    return "# Processes of sites are replaced by nuages restart, without losing requests; needrestart would lose some.\n$nrconf{override_rc}{qr(^nuages-)} = 0;\n$nrconf{override_rc}{qr(\\@v[0-9]+-)} = 0;\n"
