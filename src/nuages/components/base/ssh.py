"""sshd: keys only, where the present login came by key. A drop-in that is read first; sshd takes the first value it meets."""

from __future__ import annotations

from nuages.components.base.facts import Facts
from nuages.components.contract import Description, File, Placement, Unit
from nuages.components.templating import head
from nuages.hosts.command import run


DROP_IN = "/etc/ssh/sshd_config.d/10-nuages.conf"  # before cloud-init's 50-cloud-init.conf, which allows passwords
KEYS_ONLY = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
LIMITS = """\
PermitEmptyPasswords no
LoginGraceTime 30
MaxStartups 20:30:100
X11Forwarding no
ClientAliveInterval 60
ClientAliveCountMax 5
"""


def describe_ssh(placement: Placement, facts: Facts) -> tuple[Description, ...]:
    """Nothing where sshd_config reads no drop-ins: that file is its owner's. Ubuntu 24.04 starts sshd by its socket, so the
    unit is neither enabled nor started here."""
    if not placement.topology.services.ssh_hardening or not facts.includes:
        return ()
    passwords = (
        KEYS_ONLY if facts.by_key else "# Passwords are left as they are: the login that wrote this did not come by key.\n"
    )
    text = head("", "ssh_hardening = false in [services] switches it off") + passwords + LIMITS
    return (
        Description(
            name="ssh",
            what="logins by key only" if facts.by_key else "sane limits for logins",
            scope="host",
            files=(File(DROP_IN, text),),
            verify=run("sshd", "-t", timeout=30),
            units=(Unit("ssh.service", enabled=None, running=None, reload=True, on=(DROP_IN,)),),
            guard=True,
        ),
    )
