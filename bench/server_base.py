"""What no way to deploy can leave out: the bare round trip, and the bare steps of a code deploy."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from server_costs import Cost, Meter
from server_ways import SITE, Ansible, Way, on_disk
from sites import ROOT, environment

from nuages.lab import LabHost


class Bare:
    """Questions over a warm shared connection; `ssh` asks a trivial one, `agent` what a host of about 60 resources is."""

    def __init__(self, folder: Path, hosts: list[LabHost], name: str) -> None:
        self.folder, self.hosts = folder, hosts
        folder.mkdir(parents=True)
        self.meter = Meter(name, hosts)

    def ssh(self) -> Cost:
        return self._together(lambda host: (*self._login(host), "python3 - < /dev/null"))

    def agent(self) -> Cost:
        script = str(ROOT / "bench" / "agent_round_trip.py")
        return self._together(lambda host: (sys.executable, script, host.name, host.address, host.ssh_config))

    def _login(self, host: LabHost) -> tuple[str, ...]:
        return ("ssh", *host.ssh_options, *shared(self.folder), host.name)

    def _together(self, argv) -> Cost:
        lines = " & ".join(subprocess.list2cmdline(argv(host)) for host in self.hosts)
        return self.meter.run(("sh", "-c", f"{lines} & wait"), cwd=self.folder, env=environment())

    def close(self) -> None:
        self.meter.close()


def shared(folder: Path) -> tuple[str, ...]:
    return ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={folder}/%C")


def unavoidable(way: Ansible, folder: Path, number: int) -> float:
    """On hosts that the playbook made: a copy of the live release by hard links, the changed file over it, start beside the
    live one, wait until it answers, rename the link. Seconds until the last host has switched."""
    name = f"bare{number}"
    script = (
        f"set -e; cd /srv/{SITE}/releases; live=$(readlink ../web.sock | cut -d/ -f4); cp -al $live {name}; "
        f"tar -x --unlink-first -C {name}; exec /usr/local/sbin/{SITE}-switch {name}"
    )
    before = way.switched()
    started = time.perf_counter()
    changed = subprocess.run(("tar", "-c", "catalog/views.py"), cwd=way.project, check=True, capture_output=True).stdout
    running = [
        subprocess.Popen(("ssh", *host.ssh_options, *shared(folder), host.name, script), stdin=subprocess.PIPE)
        for host in way.hosts
    ]
    for process in running:
        threading.Thread(target=process.communicate, args=(changed,)).start()
    seconds = until_switched(way, before, started)
    for process in running:
        process.wait()
        assert process.returncode == 0
    return seconds


def until_switched(way: Way, before: list[str], started: float, within: float = 300) -> float:
    """Seconds from `started` until traffic has gone to another release on every host."""
    while any(now == then for now, then in zip(way.switched(), before, strict=True)):
        if time.perf_counter() - started > within:
            raise AssertionError(f"{way.name} did not switch within {within:g} s: {on_disk(way.hosts[0], way.link)}")
        time.sleep(0.02)
    return time.perf_counter() - started
