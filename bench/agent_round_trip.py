"""The least that a no-change run over SSH can be: a client starts, and the agent answers once what a host of about 60 resources is.

    python bench/agent_round_trip.py NAME ADDRESS SSH_CONFIG

The client is Python and OpenSSH with its connection shared; the answer holds 40 files with their digests, all packages, and
the states of ten units. It decides nothing and writes nothing.
"""

from __future__ import annotations

import sys

from nuages.hosts.ssh import SshTransport
from nuages.topology.model import Host


PATHS = [
    "/etc/hostname",
    "/etc/hosts",
    "/etc/passwd",
    "/etc/group",
    "/etc/fstab",
    "/etc/os-release",
    "/etc/ssh/sshd_config",
    "/etc/apt/sources.list",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/mime.types",
    "/etc/nginx/fastcgi.conf",
    "/etc/nginx/proxy_params",
    "/etc/login.defs",
    "/etc/profile",
    "/etc/pam.conf",
    "/etc/shells",
    "/etc/services",
    "/etc/protocols",
    "/etc/networks",
    "/etc/resolv.conf",
    "/etc/bash.bashrc",
    "/etc/environment",
    "/etc/issue",
    "/etc/ld.so.conf",
    "/etc/nsswitch.conf",
    "/etc/rmt",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/timezone",
    "/etc/localtime",
    "/etc/systemd/system.conf",
    "/etc/systemd/journald.conf",
    "/etc/systemd/logind.conf",
    "/etc/security/limits.conf",
    "/etc/security/access.conf",
    "/etc/nftables.conf",
    "/etc/sysctl.conf",
    "/etc/crontab",
    "/etc/logrotate.conf",
    "/etc/debian_version",
]
UNITS = ("ssh", "nginx", "postgresql", "valkey-server", "nftables", "unattended-upgrades", "cron", "dbus", "apt-daily.timer")


def main() -> None:
    name, address, config = sys.argv[1:]
    packages = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"]
    units = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *UNITS]
    told = SshTransport(Host(name, address=address, ssh_config=config)).read(
        {
            "host": {"kind": "host"},
            "files": {"kind": "files", "paths": PATHS},
            "packages": {"kind": "command", "argv": packages},
            "units": {"kind": "command", "argv": units},
        }
    )
    assert len(told["files"]) == len(PATHS)
    assert told["units"]["status"] == 0


if __name__ == "__main__":
    main()
