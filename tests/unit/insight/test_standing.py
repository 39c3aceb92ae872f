"""How a site stands, from what its hosts answer, and what a broken chain is told as."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nuages.components.certificates.seen import Pair
from nuages.components.certificates.seen import Seen as Web
from nuages.errors import HostError
from nuages.hosts import Hosts
from nuages.hosts.command import Result
from nuages.insight import book, links, status
from nuages.insight.examine import Door, Facts, Seen
from nuages.insight.model import DEGRADED, DOWN, HEALTHY, NEVER, UNKNOWN
from nuages.testing import LAYOUT, FakeTransport, shop_live, shop_release, shop_supervisor, shop_topology
from nuages.topology.model import Host


TWO = (Host("web-1", "192.0.2.11"), Host("web-2", "192.0.2.12"))
CERTIFICATES = {
    "now": time.time(), "linked": "x", "addresses": [], "answers": {}, "attempts": {},
    "wanted": {"problem": ""}, "served": {"names": ["shop.example"], "not_after": time.time() + 60 * 86400, "problem": ""},
}  # fmt: skip
GROUPS = [
    {"id": "a1", "type": "KeyError", "where": "f", "message": "m", "count": 3, "first": 10, "last": 20, "first_release": 1, "releases": {"1": 3}, "hours": {}},
    {"id": "b2", "type": "OSError", "where": "g", "message": "n", "count": 1, "first": 30, "last": 30, "first_release": 2, "releases": {"2": 1}, "hours": {}},
]  # fmt: skip


def host(name, **told):
    files = {f"{LAYOUT.dir}/site.json": json.dumps({"schema": 1, "name": "shop", "root": ""})}
    release = shop_release(2)
    files[f"{LAYOUT.dir}/live/release.json"] = json.dumps(release)
    files[f"{LAYOUT.dir}/numbered/v2/release.json"] = json.dumps(release)
    status_ = told.pop("status", shop_supervisor("v2-aaaa"))
    known = {"base": {}, "certificates": CERTIFICATES, **told}
    return FakeTransport(files, name=name, status=status_, told=known)


def stands(*hosts):
    topology = shop_topology(hosts=TWO[: len(hosts)], domains=("shop.example",), supervisor="systemd")
    return status.gather(topology, Hosts(FakeTransport(), hosts), LAYOUT)


def test_a_site_with_everything_in_order_is_healthy():
    told = stands(host("web-1"))
    assert (told.verdict, told.state, told.problems, told.url) == (HEALTHY, "running", (), "http://shop.example/")
    assert told.release.number == 2
    assert [process.name for process in told.processes] == ["web"]
    assert told.certificates[0].days_left > 59
    json.dumps(told.as_dict())


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({}, ()),
        ({"shop-backup.timer": "failed"}, ("the timer of backups does not run: systemctl status shop-backup.timer",)),
        ({"nginx.service": "inactive"}, ("nginx does not run: systemctl status nginx.service",)),
        ({"postgresql@17-main.service": "inactive"}, ("PostgreSQL does not run",)),
        ({"postgresql@17-main.service": None}, ("PostgreSQL does not run",)),  # unloaded once it was stopped
    ],
)
def test_what_the_site_stands_on_runs_too(states, said):
    names = ("nginx.service", "postgresql.service", "postgresql@17-main.service", "shop-cache.service", "shop-backup.timer")
    states = dict.fromkeys(names, "active") | states
    blocks = [f"Id={name}\nLoadState=loaded\nActiveState={state}\n" for name, state in states.items() if state]
    server = host("web-1")
    server.answers["systemctl show*"] = Result(
        0, "\n".join([*blocks, "Id=x.service\nLoadState=not-found\nActiveState=inactive\n"]), ""
    )
    told = stands(server)
    assert told.verdict == (DEGRADED if said else HEALTHY)
    assert len(told.problems) == len(said)
    assert all(problem.startswith(f"web-1: {words}") for problem, words in zip(told.problems, said, strict=True))


def test_a_host_that_can_not_be_reached_does_not_silence_the_others():
    told = stands(host("web-1"), host("web-2", site=HostError("no route to host", hint="is it up?")))
    assert (told.verdict, told.problems) == (DEGRADED, ("web-2: no route to host",))
    assert [(each.name, each.reachable) for each in told.hosts] == [("web-1", True), ("web-2", False)]
    assert told.hosts[1].hint == "is it up?"
    assert {process.host for process in told.processes} == {"web-1"}


def test_where_no_host_answers_nobody_can_tell():
    told = stands(host("web-1", site=HostError("no route")))
    assert (told.verdict, told.state) == (UNKNOWN, UNKNOWN)


def test_a_site_that_was_stopped_is_down_and_one_that_never_was_is_neither():
    assert stands(host("web-1", status=shop_supervisor(""))).verdict == DOWN
    assert stands(FakeTransport(name="web-1", told={"base": {}, "certificates": CERTIFICATES})).verdict == NEVER


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("vitals", {"disk_free": 1 << 30}, "the disk is 98% full"),
        ("vitals", {"inodes_free": 0.01}, "only 1% of the inodes"),
        ("vitals", {"memory_free": 10 << 20}, "only 10 MB of memory"),
        ("vitals", {"now": time.time() + 3000}, "its clock is"),
        (
            "certificates",
            {"served": {"names": ["shop.example"], "not_after": time.time() + 3 * 86400, "problem": ""}},
            "ends in 3 days",
        ),
        ("traffic", {"minutes": {"60": [100, 50, {"10": 100}]}}, "50% of requests ended with an error"),
        ("json", {"at": "2020-01-01T00:00:00+00:00", "ok": True}, "the newest backup is"),
        ("json", {"at": time.time(), "ok": False, "what": "no space"}, "the last backup failed: no space"),
    ],
)
def test_what_is_wrong_is_said_and_makes_it_degraded(kind, change, said):
    plain = FakeTransport()
    likely = {"vitals": plain._read_vitals(), "certificates": CERTIFICATES, "traffic": plain._read_traffic(""), "json": {}}
    told = stands(host("web-1", **{kind: {**likely[kind], **change}}))
    assert told.verdict == DEGRADED
    assert said in told.problems[0]


def test_a_process_that_starts_again_and_again_is_told():
    supervisor = shop_supervisor("v2-aaaa")
    worker = {"name": "worker", "kind": "worker", "pid": None, "state": "backoff", "restarts": 7, "ended": "exited with status 1"}
    supervisor["generations"]["v2-aaaa"]["processes"].append(worker)
    told = stands(host("web-1", status=supervisor))
    assert (told.verdict, told.problems) == (DEGRADED, ("web-1: worker is in state backoff, it exited with status 1",))


def test_the_last_changes_have_who_what_and_how_it_ended():
    audit = [
        {"at": "2026-01-01T00:00:00Z", "event": "taken", "deploy": "a", "who": "ada", "what": "deploy", "reason": "code"},
        {"at": "2026-01-01T00:01:00Z", "event": "released", "deploy": "a", "outcome": "8 steps"},
        {"at": "2026-01-01T00:02:00Z", "event": "taken", "deploy": "b", "who": "bob", "what": "config set"},
    ]
    told = stands(host("web-1", audit=audit)).deploys
    assert [(d.who, d.what, d.outcome) for d in told] == [("bob", "config set", ""), ("ada", "deploy", "8 steps")]


def test_errors_of_all_hosts_are_one_list():
    answers = {"status": 0, "stdout": json.dumps(GROUPS), "stderr": ""}
    hosts = (host("web-1", command=answers), host("web-2", command=answers))
    topology = shop_topology(hosts=TWO)
    found = book.listed(topology, Hosts(FakeTransport(), hosts), LAYOUT)
    assert [(group.id, group.count, group.release) for group in found] == [("b2", 2, 2), ("a1", 6, 1)]


def test_a_release_before_the_book_has_no_errors_to_tell():
    assert stands(host("web-1", command={"status": 2, "stdout": "", "stderr": "no such file"})).errors is None


# --- doctor --------------------------------------------------------------------------------------------------

NOW = time.time()
SERVED = Pair(("shop.example",), "An authority", not_after=NOW + 60 * 86400, problem="")
ANSWER = {
    "vitals": {**FakeTransport()._read_vitals(), "now": NOW},
    "nginx": {"status": 0, "stdout": "active\n", "stderr": ""},
    "nginx_test": {"status": 0, "stdout": "", "stderr": ""},
    "firewall": {"status": 0, "stdout": "tcp dport { 80, 443 } accept", "stderr": ""},
    "postgresql": {"status": 0, "stdout": "active\nactive\n", "stderr": ""},
    "ask": {"status": 200, "problem": "", "target": "/run/nuages-shop/v1-aaaa/web.sock", "seconds": 0.01},
}
INSIDE = {"settings": "", "databases": {"default": "ok"}, "caches": {"default": "ok"}, "migrations": [], "problem": ""}
STATUS_200 = (Door("192.0.2.11", 80), Door("192.0.2.11", 443, status=200))


def chain(dns=("192.0.2.11",), doors=STATUS_200, inside=None, live=None, clock=0.0, error=None, served=SERVED, **answer):
    topology = shop_topology(root=Path("/x"), domains=("shop.example",), hosts=TWO[:1])
    seen_live = live or shop_live(shop_release(1), web=Web(now=NOW, served=served))
    seen = Seen(TWO[0], {**ANSWER, **answer}, clock=clock, live=seen_live, inside={**INSIDE, **(inside or {})}, doors=doors)
    if error:
        seen = Seen(TWO[0], error=error, doors=())
    return links.judged(Facts(topology, LAYOUT, {"shop.example": dns} if dns is not None else {}, (seen,)))


def test_a_chain_that_holds():
    found = chain()
    assert [link.state for link in found] == ["ok"] * len(found)
    assert len(found) > 12


DEAD = {"status": 3, "stdout": "inactive\n", "stderr": ""}
EXPIRED = replace(SERVED, not_after=NOW - 86400)
CLOSED = (Door("192.0.2.11", 80, "connection refused"), Door("192.0.2.11", 443, "connection refused"))
FIVE_HUNDRED = {**ANSWER["ask"], "status": 500}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("dns", {"dns": ()}),
        ("dns", {"dns": None}),
        ("dns", {"dns": ("203.0.113.7",), "doors": CLOSED}),
        ("host", {"error": HostError("no connection", hint="is it up?")}),
        ("room", {"vitals": {**ANSWER["vitals"], "disk_free": 0}, "inside": {"databases": {"default": "OperationalError: x"}}, "ask": FIVE_HUNDRED}),
        ("clock", {"clock": 400.0}),
        ("proxy", {"nginx": DEAD, "doors": CLOSED}),
        ("proxy", {"nginx_test": {"status": 1, "stdout": "", "stderr": "emerg"}}),
        ("firewall", {"firewall": {"status": 0, "stdout": "tcp dport 22 accept", "stderr": ""}, "doors": CLOSED}),
        ("port", {"doors": CLOSED}),
        ("certificate", {"served": EXPIRED, "doors": (Door("192.0.2.11", 443, trust="certificate has expired"),)}),
        ("certificate", {"doors": (Door("192.0.2.11", 443, trust="self-signed"),)}),
        ("settings", {"inside": {"settings": "ImportError: x", "databases": {}, "caches": {}}}),
        ("database", {"inside": {"databases": {"default": "OperationalError: x"}, "migrations": None}, "ask": FIVE_HUNDRED}),
        ("cache", {"inside": {"caches": {"default": "RuntimeError: x"}}}),
        ("migrations", {"inside": {"migrations": ["books.0002_more"]}, "ask": FIVE_HUNDRED}),
        ("socket", {"ask": {**ANSWER["ask"], "problem": "no link", "target": ""}}),
        ("socket", {"ask": {**ANSWER["ask"], "target": "/run/other.sock"}}),
        ("request", {"ask": FIVE_HUNDRED, "doors": (Door("192.0.2.11", 443, status=500),)}),
        ("request", {"ask": {**ANSWER["ask"], "status": 400}}),
        ("visit", {"doors": (Door("192.0.2.11", 443, status=502),)}),
    ],
)  # fmt: skip
def test_the_cause_is_named_and_its_effects_follow_from_it(name, broken):
    found = chain(**broken)
    first = links.first_broken(found)
    assert first
    assert first.name == name
    assert first.todo
    assert [link.name for link in found if link.state == "broken"] == [name]


def test_two_things_that_are_broken_by_themselves_are_both_told():
    found = chain(dns=(), inside={"caches": {"default": "RuntimeError: x"}})
    assert [link.name for link in found if link.state == "broken"] == ["dns", "cache"]
