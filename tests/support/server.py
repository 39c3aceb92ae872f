"""A lab host under the engine's readiness alone: compared, made ready step by step, left again."""

from __future__ import annotations

from dataclasses import replace

from described import shop_placement

from nuages.components.base import QUESTIONS, describe_base
from nuages.components.contract import Machine, Port
from nuages.engine import leaving, readiness
from nuages.hosts.ssh import SshTransport
from nuages.release.layout import server_site
from nuages.topology.model import Host


PORTS = (Port(80, what="http"), Port(443, what="https"))
# All that lies in /etc (without caches and backups of account files), the packages, and what runs at boot. No versions: a
# package may have brought a newer one of a library that was there.
LOOK = r"""
cd /etc && find . -xdev \( -type f -o -type l -o -type d \) ! -name '*-' ! -name ld.so.cache -printf '%p %y %m %u %g %l\n' | sort
find . -xdev -type f ! -name '*-' ! -name ld.so.cache -exec sha256sum {} + | sort -k2
dpkg-query -W -f '${Package} ${db:Status-Status}\n'
systemctl list-unit-files --state=enabled --no-legend
ls -A /srv /home /var/lib/nuages 2>&1; nft list tables
"""


class Server:
    def __init__(self, lab_host):
        self.lab = lab_host
        self.name = lab_host.name
        self.ssh = SshTransport(Host(self.name, ssh_config=lab_host.ssh_config))

    def described(self, ports=PORTS):
        told = self.ssh.read({"host": {"kind": "host"}, **QUESTIONS})
        known = {key: told["host"][key] for key in ("cores", "memory", "os", "os_version", "ssh_port")}
        placement = shop_placement()
        return describe_base(replace(placement, machine=Machine(**known, facts=told["base"])), ports)

    def compare(self, descriptions=None, accept=()):
        wanted = self.described() if descriptions is None else descriptions
        ready = readiness.understand(self.ssh.read(readiness.questions(wanted, "shop")))
        return readiness.compare(wanted, ready, host=self.name, site="shop", accept=accept)

    def carry_out(self, steps, *, confirm=True, seconds=90, journal="/run/nuages/test.jsonl"):
        """As engine.apply: a gate is passed between two batches. `seconds`: after which the guard reverts."""
        batch = []
        for step in steps:
            ops = [{**op, "seconds": seconds} if op["op"] == "arm" else op for op in step.ops]
            if ops[0]["op"] == "confirm":
                self._send(batch, journal)
                if not confirm:
                    return
                self.ssh.confirm()
                batch, ops = [], ops[1:]
            batch.append({"text": str(step), "ops": ops, "undo": list(step.undo)})
        self._send(batch, journal)

    def _send(self, batch, journal):
        if batch:
            self.ssh.write(batch, journal, lambda _event: None)

    def make_ready(self, accept=()):
        self.carry_out(self.compare(accept=accept).steps, confirm=True)

    def leave(self, *, data):
        ready = readiness.understand(self.ssh.read(readiness.questions((), "shop")))
        gone = leaving.leave(ready, host=self.name, site="shop", layout=server_site("shop"), data=data)
        self.carry_out(gone.steps, journal=leaving.JOURNAL)
        return gone

    def look(self):
        return self.lab.must(LOOK).splitlines()
