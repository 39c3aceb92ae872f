"""Is it healthy? What is wrong, and what is only worth knowing, in sentences."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from nuages.insight.model import DEGRADED, DOWN, HEALTHY, NEVER, UNKNOWN, Backup, Certificate, HostFacts, Process, Status
from nuages.topology.model import Topology


FULL = 0.92  # of a disk
FEW_INODES = 0.05
LITTLE_MEMORY = 0.04
SKEW = 5.0
RENEWED_BY = 14  # days before its end a certificate should have been renewed: the timer does it at 30
MANY_ERRORS, ENOUGH = 0.05, 20  # a share of requests, and how many there must be to speak of shares
NIGHTS = 2.2  # days without a backup
FRESH = 600  # seconds since a start within which a restart counts as one that goes on


def judged(found: Status, topology: Topology) -> Status:
    problems = tuple(_problems(found))
    notes = tuple(_notes(found))
    return replace(found, verdict=verdict(found, problems), problems=problems, notes=notes)


def verdict(found: Status, problems: tuple[str, ...]) -> str:
    if not any(host.reachable for host in found.hosts):
        return UNKNOWN
    if found.state == NEVER:
        return NEVER
    web = [p for p in found.processes if p.kind == "web" and not p.draining]
    serving = any(p.well for p in web) or not web
    if found.state == "stopped" or (found.state == "running" and not serving):
        return DOWN
    return DEGRADED if problems or found.state == UNKNOWN else HEALTHY


def _problems(found: Status) -> Iterable[str]:
    for host in found.hosts:
        yield from _of_host(host)
    for process in found.processes:
        yield from _of_process(process)
    for each in found.certificates:
        yield from _of_certificate(each)
    if found.traffic and found.traffic.requests >= ENOUGH and found.traffic.error_share > MANY_ERRORS:
        yield f"{found.traffic.error_share:.0%} of requests ended with an error of the server"
    if found.backup:
        yield from _of_backup(found.backup)
    if found.state == "stopped":
        yield "nothing is running"


def _of_certificate(each: Certificate) -> Iterable[str]:
    if not each.names:
        yield f"{each.host}: no certificate: {each.problem}"
    elif each.days_left < 0:
        yield f"{each.host}: the certificate of {each.names[0]} ended {-each.days_left:.0f} days ago"
    elif each.days_left < RENEWED_BY or each.problem:
        why = f"; {each.problem}" if each.problem else ""
        yield f"{each.host}: the certificate of {each.names[0]} ends in {each.days_left:.0f} days{why}"


def _of_backup(backup: Backup) -> Iterable[str]:
    days = (time.time() - backup.at) / 86400
    if not backup.ok:
        yield f"the last backup failed: {backup.problem}"
    elif days > NIGHTS:
        yield f"the newest backup is {days:.0f} days old"


def _of_host(host: HostFacts) -> Iterable[str]:
    if not host.reachable:
        yield f"{host.name}: {host.problem}"
        return
    yield from (f"{host.name}: {said}" for said in host.stopped)
    if host.disk_used > FULL:
        yield f"{host.name}: the disk is {host.disk_used:.0%} full"
    if host.inodes_free < FEW_INODES:
        yield f"{host.name}: only {host.inodes_free:.0%} of the inodes are free"
    if host.memory and host.memory_free / host.memory < LITTLE_MEMORY:
        yield f"{host.name}: only {host.memory_free >> 20} MB of memory are free"
    if abs(host.clock) > SKEW:
        yield f"{host.name}: its clock is {abs(host.clock):.0f} s {'ahead of' if host.clock > 0 else 'behind'} this machine's"


def _of_process(process: Process) -> Iterable[str]:
    if process.draining:
        return
    if not process.well:
        ended = f", it {process.ended}" if process.ended else ""
        yield f"{process.host}: {process.name} is in state {process.state}{ended}"
    elif process.restarts and process.since and time.time() - process.since < FRESH:
        yield f"{process.host}: {process.name} was restarted {process.restarts} times, the last time {time.time() - process.since:.0f} s ago"


def _notes(found: Status) -> Iterable[str]:
    if found.maintenance:
        yield "the maintenance page is on"
    for host in found.hosts:
        if host.updates and host.updates.reboot:
            yield f"{host.name}: updates wait for a reboot"
        if host.updates and host.updates.security:
            yield f"{host.name}: {host.updates.security} security updates wait"
    if found.errors and found.errors.unsent:
        yield f"the last message about an error could not be sent: {found.errors.unsent}; nuages mail test"
    if found.errors and found.errors.new and found.release:
        yield f"v{found.release.number} brought {found.errors.new} new kind{'s' if found.errors.new > 1 else ''} of error; nuages errors"
