"""A host that serves others before Nuages comes: what lives there, whether it answers all along, and every file of it.

busy = Busy(host)                  # Apache, a PostgreSQL cluster, rules of nftables, sshd on 2222, crontabs, a colleague
before = busy.look()
with busy.watched() as seen: ...
assert seen.lost == [] and busy.look() == before
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


SETTLE = r"""
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends apache2 postgresql nftables cron >/dev/null
mkdir -p /var/www/blog; echo 'the blog' > /var/www/blog/index.html
printf '<VirtualHost *:80>\n  ServerName blog.example\n  DocumentRoot /var/www/blog\n</VirtualHost>\n' > /etc/apache2/sites-available/blog.conf
a2dissite -q 000-default; a2ensite -q blog; systemctl reload-or-restart apache2
runuser -u postgres -- psql -q -c "CREATE ROLE accounts LOGIN PASSWORD 'theirs'" -c 'CREATE DATABASE accounts OWNER accounts'
PGPASSWORD=theirs psql -q -h 127.0.0.1 -U accounts -c 'CREATE TABLE ledger AS SELECT 42 AS sum'
cat > /etc/nftables.conf <<'RULES'
#!/usr/sbin/nft -f
flush ruleset

table inet theirs {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 9999 drop
	}
}
RULES
systemctl enable -q --now nftables
printf 'Port 2222\n' > /etc/ssh/sshd_config.d/00-theirs.conf; systemctl restart ssh
useradd -m -s /bin/bash colleague
echo '*/5 * * * * root true' > /etc/cron.d/theirs
echo '17 3 * * * true' | crontab -u colleague -
"""
# Every file of theirs, their accounts, packages, rules, and what starts at boot. Left out is what the system itself writes
# anew all the time: caches, and backups of account files.
LOOK = r"""
apart() { grep -vE ' (\./)?(ld\.so\.cache|[a-z]*-|mtab|resolv\.conf)$'; }
cd /etc && find . -xdev ! -name '*-' ! -name ld.so.cache -printf '%p %y %m %u %g %l\n' | sort
find . -xdev -type f ! -name '*-' ! -name ld.so.cache -exec sha256sum {} + | sort -k2
cd / && find var/www var/spool/cron home usr/local srv -printf '%p %y %m %u %g %l\n' | sort
find var/www var/spool/cron home usr/local -type f -exec sha256sum {} + | sort -k2
dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'
ls /usr/bin /usr/sbin /usr/lib/systemd/system
nft list ruleset
systemctl list-unit-files --state=enabled,disabled,masked --no-legend
getent passwd; getent group
ss -Hltn | awk '{print $4}' | sort
runuser -u postgres -- psql -XAt -c 'SELECT datname, datacl FROM pg_database ORDER BY 1' -c 'SELECT rolname FROM pg_roles ORDER BY 1' -c 'SHOW shared_buffers'
sysctl -a 2>/dev/null | grep -E '^(vm.swappiness|vm.overcommit_memory|net.core.somaxconn|net.ipv4.tcp_max_syn_backlog) '
"""
PATIENCE = 15  # seconds in which a neighbour must answer; the machine below may be busy


@dataclass
class Watched:
    asked: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Busy:
    host: Any
    ssh_port: int = 2222

    def settle(self) -> Busy:
        self.host.must(SETTLE, timeout=600)
        return self

    def look(self) -> list[str]:
        lines: list[str] = self.host.must(LOOK, timeout=300).splitlines()
        return lines

    # --- do they answer? ---------------------------------------------------------------------------------

    def page(self) -> str:
        connection = http.client.HTTPConnection(self.host.address, 80, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": "blog.example"})
            return connection.getresponse().read().decode()

    def query(self) -> str:
        """Over TCP with a password, as their program does it."""
        ask = "PGPASSWORD=theirs psql -XAt -h 127.0.0.1 -U accounts -c 'SELECT sum FROM ledger'"
        told: str = self.host.must(ask, timeout=PATIENCE)
        return told

    def login(self) -> str:
        """A fresh one, of their administrator. A mere greeting would not do: sshd of Debian 13 holds one that leads to no
        login against its sender (PerSourcePenalties of sshd_config(5)), and lets nobody in from there for a while."""
        words = ["ssh", "-F", self.host.ssh_config, "-p", str(self.ssh_port), "-o", "ControlPath=none", "-o", "BatchMode=yes"]
        done = subprocess.run([*words, self.host.name, "echo in"], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + (done.stderr if done.returncode else "")

    def expected(self) -> dict[str, tuple[Callable[[], str], str]]:
        return {"page": (self.page, "the blog\n"), "query": (self.query, "42\n"), "login": (self.login, "in\n")}

    @contextlib.contextmanager
    def watched(self, pause: float = 0.5) -> Iterator[Watched]:
        """Each neighbour is asked over and over, in a thread of its own."""
        seen, over = Watched(), threading.Event()

        def ask(name: str, question: Callable[[], str], expected: str) -> None:
            while not over.is_set():
                at = time.strftime("%H:%M:%S")
                try:
                    said = question()
                except Exception as error:  # noqa: BLE001 - any of them is a neighbour lost
                    said = repr(error)
                seen.asked[name] = seen.asked.get(name, 0) + 1
                if said != expected:
                    seen.lost.append(f"{at} {name}: {said}")
                over.wait(pause)

        threads = [threading.Thread(target=ask, args=(name, *pair), daemon=True) for name, pair in self.expected().items()]
        for thread in threads:
            thread.start()
        try:
            yield seen
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
