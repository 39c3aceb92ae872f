"""The chain from DNS to the database, judged link by link. Pure: facts in, sentences out.

Causes stand before their effects, so the first broken link is the one to mend; what an earlier one explains is said to follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from nuages.components.certificates.deciding import wanted
from nuages.components.proxy import names_of
from nuages.insight import judging
from nuages.insight.examine import Door, Facts, Seen, is_address


OK, BROKEN, FOLLOWS, SKIPPED = "ok", "broken", "follows", "skipped"
FULL = 0.99  # of a disk: nothing can be written any more
DAY = 86400


@dataclass(frozen=True)
class Link:
    """`what` is what was found; where it is broken, `why` has what was said and `todo` what to do."""

    name: str
    state: str = OK
    what: str = ""
    why: str = ""
    todo: str = ""
    host: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


Found = Link | None
# What a broken link explains. A link that is not named stands alone.
EXPLAINS: Mapping[str, tuple[str, ...]] = {
    "host": ("room", "clock", "proxy", "firewall", "port", "certificate", "release", "socket", "processes", "database", "cache", "migrations", "request", "visit"),
    "room": ("proxy", "processes", "database", "cache", "migrations", "request", "visit", "settings"),
    "dns": ("port", "certificate", "visit"),
    "proxy": ("port", "certificate", "visit"),
    "firewall": ("port", "certificate", "visit"),
    "port": ("certificate", "visit"),
    "certificate": ("visit",),
    "release": ("socket", "processes", "request", "visit"),
    "settings": ("database", "cache", "migrations", "processes", "request", "visit"),
    "socket": ("request", "visit"),
    "processes": ("socket", "request", "visit"),
    "database": ("migrations", "request", "visit", "processes"),
    "cache": (),
    "migrations": ("request", "visit"),
    "request": ("visit",),
}  # fmt: skip


def judged(facts: Facts) -> tuple[Link, ...]:
    found = [Link("nuages.toml", what=_declared(facts)), *_dns(facts)]
    for seen in facts.seen:
        found += [replace(link, host=seen.host.name) for rule in RULES if (link := rule(facts, seen))]
    return tuple(_explained(found))


def first_broken(links: Iterable[Link]) -> Link | None:
    return next((link for link in links if link.state == BROKEN), None)


def _explained(links: list[Link]) -> Iterable[Link]:
    """A broken link that an earlier one on the same host (or DNS) explains only follows from it."""
    broken: list[Link] = []
    for link in links:
        cause = next((b for b in broken if link.name in EXPLAINS.get(b.name, ()) and b.host in ("", link.host)), None)
        if link.state == BROKEN and cause:
            yield replace(link, state=FOLLOWS, todo=f"follows from {cause.name}")
            continue
        if link.state == BROKEN:
            broken.append(link)
        yield link


# --- what is asked from here ---------------------------------------------------------------------------------


def _declared(facts: Facts) -> str:
    topology = facts.topology
    where = ", ".join(host.name for host in topology.hosts) or "this machine"
    return f"{topology.name} on {where}" + (f", as {', '.join(topology.domains)}" if topology.domains else "")


def _dns(facts: Facts) -> Iterable[Link]:
    topology = facts.topology
    if not topology.remote:
        return
    ours = set(_addresses(facts))
    for name in topology.domains:
        answers = facts.dns.get(name)
        if answers is None:
            yield Link("dns", BROKEN, f"no answer about {name}", todo="does this machine's resolver work? Try another network")
        elif not answers:
            yield Link("dns", BROKEN, f"{name} has no address", todo=f"make an A record of {name} to {_best(facts)}")
        elif not ours & set(answers) and topology.trusted_proxies:
            yield Link("dns", what=f"{name} is {', '.join(answers)}, which is not ours; a proxy in front, as declared")
        elif not ours:
            yield Link("dns", what=f"{name} is {', '.join(answers)}; the hosts' own addresses are not known")
        elif not ours & set(answers):
            todo = f"change the record of {name} to {_best(facts)}; resolvers keep the old one for its TTL"
            yield Link(
                "dns",
                BROKEN,
                f"{name} is {', '.join(answers)}, and that is none of the hosts",
                f"theirs: {', '.join(sorted(ours))}",
                todo,
            )
        else:
            yield Link("dns", what=f"{name} is {', '.join(answers)}")


def _addresses(facts: Facts) -> Iterable[str]:
    for seen in facts.seen:
        if is_address(seen.host.address):
            yield seen.host.address
        said = ((seen.answer or {}).get("addresses") or {}).get("stdout", "")
        yield from (line.split()[3].partition("/")[0] for line in said.splitlines() if len(line.split()) > 3)  # noqa: PLR2004


def _best(facts: Facts) -> str:
    known = sorted(_addresses(facts))
    return known[0] if known else "the host's address"


# --- what a host says ----------------------------------------------------------------------------------------


def _host(_facts: Facts, seen: Seen) -> Found:
    if seen.answer is None and seen.error:
        return Link("host", BROKEN, seen.error.what, seen.error.detail, seen.error.hint)
    return Link("host", what=f"answers; {seen.vitals['system']}" if seen.vitals.get("system") else "answers")


def _room(_facts: Facts, seen: Seen) -> Found:
    told = seen.vitals
    if not told:
        return None
    used = 1 - told["disk_free"] / told["disk"] if told["disk"] else 0
    memory = told["memory_free"] / told["memory"] if told["memory"] else 1
    if used > FULL:
        todo = "free some: journalctl --vacuum-size=100M, apt-get clean, old releases (keep in nuages.toml); then nuages restart"
        return Link("room", BROKEN, f"the disk is full ({told['disk_free'] >> 20} MB are free)", todo=todo)
    if told["inodes_free"] < 1 - FULL:
        return Link(
            "room",
            BROKEN,
            "the disk has no inodes left: too many small files",
            todo="sessions or a cache in files? find / -xdev -printf '%h\\n' | sort | uniq -c | sort -n | tail",
        )
    if memory < judging.LITTLE_MEMORY / 2:
        return Link(
            "room", BROKEN, f"no memory is left ({told['memory_free'] >> 20} MB)", todo="nuages scale web=1, or a larger machine"
        )
    near = "; nearly full" if used > judging.FULL else ""
    return Link(
        "room",
        what=f"{told['disk_free'] / 2**30:.1f} GB of disk and {told['memory_free'] / 2**30:.1f} GB of memory are free{near}",
    )


def _clock(_facts: Facts, seen: Seen) -> Found:
    if not seen.vitals:
        return None
    if abs(seen.clock) > judging.SKEW:
        way = "ahead of" if seen.clock > 0 else "behind"
        return Link(
            "clock",
            BROKEN,
            f"its clock is {abs(seen.clock):.0f} s {way} this machine's",
            todo="timedatectl on both: which is right? Certificates, sessions and signed links depend on it",
        )
    return Link("clock", what="right, to what can be told from here")


def _proxy(facts: Facts, seen: Seen) -> Found:
    nginx, test = seen.said("nginx"), seen.said("nginx_test")
    if nginx is None:
        return None
    if test and test["status"]:
        return Link(
            "proxy",
            BROKEN,
            "nginx refuses its configuration",
            _tail(test["stderr"]),
            "mend the file that it names; nuages drift tells what was changed by hand",
        )
    state = nginx["stdout"].strip().splitlines()[:1]
    if state != ["active"]:
        return Link(
            "proxy",
            BROKEN,
            f"nginx is {state[0] if state else 'not there'}",
            todo=f"ssh {seen.host.name} systemctl start nginx; why it ended: journalctl -u nginx",
        )
    enabled = (seen.answer or {}).get("enabled") or {}
    if enabled and not any(enabled.values()):
        return Link(
            "proxy",
            BROKEN,
            f"nginx does not know the site: {next(iter(enabled))} is gone",
            todo="nuages drift, then nuages deploy",
        )
    return Link("proxy", what="nginx is active, its configuration valid")


def _firewall(facts: Facts, seen: Seen) -> Found:
    told = seen.said("firewall")
    if told is None or not facts.topology.services.firewall:
        return None
    if told["status"]:
        return Link("firewall", what="our table is not loaded: nothing of ours keeps anybody out")
    lacking = [str(port) for port in sorted({door.port for door in seen.doors}) if str(port) not in _numbers(told["stdout"])]
    if lacking:
        return Link(
            "firewall",
            BROKEN,
            f"port {' and '.join(lacking)} is not let in",
            todo="nuages drift, then nuages deploy; on the host: systemctl restart nuages-firewall",
        )
    return Link("firewall", what="lets the site's ports in")


def _numbers(text: str) -> set[str]:
    return set("".join(c if c.isdigit() else " " for c in text).split())


def _port(_facts: Facts, seen: Seen) -> Found:
    closed = [door for door in seen.doors if door.problem]
    if closed:
        said = "; ".join(f"{door.address} port {door.port}: {door.problem}" for door in closed)
        return Link(
            "port", BROKEN, said, todo="a firewall of the provider's between here and the host? Open 80 and 443 in its console"
        )
    if seen.doors:
        ports = list(dict.fromkeys(str(door.port) for door in seen.doors))
        return Link("port", what=f"{' and '.join(ports)} {'is' if len(ports) == 1 else 'are'} open from here")
    return None


def _certificate(facts: Facts, seen: Seen) -> Found:
    web = seen.live.web if seen.live else None
    topology = facts.topology
    if web is None or topology.services.proxy == "none" or not wanted(topology, names_of(topology, seen.host)):
        return None
    pair, names = web.served, facts.topology.domains
    if not pair.usable:
        why = web.error or pair.problem
        return Link(
            "certificate",
            BROKEN,
            f"there is none that could be served: {why}",
            todo="nuages certs tells more; then nuages deploy",
        )
    lacking = [name for name in names if not pair.covers(name)]
    left = (pair.not_after - web.now) / DAY
    if left < 0:
        renewal = web.renewal_error or "nuages certs renew"
        return Link("certificate", BROKEN, f"it ended {-left:.0f} days ago", todo=renewal)
    if lacking:
        return Link(
            "certificate",
            BROKEN,
            f"it is not for {', '.join(lacking)}",
            f"it is for {', '.join(pair.names)}",
            "nuages deploy asks for a new one",
        )
    distrust = next((door for door in seen.doors if door.trust), None)
    if distrust:
        return Link(
            "certificate",
            BROKEN,
            f"what port {distrust.port} shows is not believed: {distrust.trust}",
            todo="was nginx reloaded since? systemctl reload nginx; a chain that lacks its middle: nuages certs",
        )
    return Link("certificate", what=f"{', '.join(pair.names[:3])}, {left:.0f} days left")


def _release(facts: Facts, seen: Seen) -> Found:
    live = seen.live
    if live is None:
        return None
    if not live.release:
        return Link("release", BROKEN, "nothing was ever deployed here", todo="nuages deploy")
    if live.maintenance:
        return Link(
            "release",
            BROKEN,
            "the maintenance page is on",
            todo="nuages maintenance off" if not live.page_holds else "deploy a release that fits the tables",
        )
    if not live.serving and not facts.topology.remote:
        return Link("release", BROKEN, f"v{live.number} does not run", todo="nuages start")
    return Link("release", what=f"v{live.number} is live")


def _settings(_facts: Facts, seen: Seen) -> Found:
    if seen.inside_error:
        return Link("settings", BROKEN, "the live release can't be asked", seen.inside_error, "nuages manage check")
    if not seen.inside:
        return None
    if seen.inside["settings"]:
        return Link(
            "settings",
            BROKEN,
            "the project does not load",
            seen.inside["settings"],
            "nuages manage check; was a variable taken away? nuages config",
        )
    return Link("settings", what="the project loads")


def _database(facts: Facts, seen: Seen) -> Found:
    if not seen.inside or not seen.inside["databases"]:
        return None
    bad = {alias: said for alias, said in seen.inside["databases"].items() if said != "ok"}
    if not bad:
        return Link("database", what=f"{', '.join(seen.inside['databases'])}: connected, as the site's account")
    server = (seen.said("postgresql") or {}).get("stdout", "").split()
    stopped = facts.topology.services.database == "postgresql" and "default" in bad and "active" not in server[1:]
    what = "PostgreSQL does not run" if stopped else f"no connection to {', '.join(bad)}"
    todo = (
        f"ssh {seen.host.name} systemctl start postgresql; why it ended: /var/log/postgresql"
        if stopped
        else "is DATABASE_URL right (nuages config get DATABASE_URL), and its server up?"
    )
    return Link("database", BROKEN, what, "\n".join(f"{alias}: {said}" for alias, said in bad.items()), todo)


def _cache(_facts: Facts, seen: Seen) -> Found:
    if not seen.inside or not seen.inside["caches"]:
        return None
    bad = {alias: said for alias, said in seen.inside["caches"].items() if said != "ok"}
    if bad:
        said = "\n".join(f"{alias}: {text}" for alias, text in bad.items())
        return Link(
            "cache",
            BROKEN,
            f"{', '.join(bad)} does not keep what it is given",
            said,
            f"the site answers without it, slower; systemctl status '{_facts.topology.name}-cache'",
        )
    return Link("cache", what=f"{', '.join(seen.inside['caches'])}: keeps what it is given")


def _migrations(_facts: Facts, seen: Seen) -> Found:
    pending = (seen.inside or {}).get("migrations")
    if pending is None:
        return None
    if pending:
        many = "migration is" if len(pending) == 1 else "migrations are"
        return Link(
            "migrations",
            BROKEN,
            f"{len(pending)} {many} not applied",
            ", ".join(pending[:8]),
            "nuages deploy; with policy manual: nuages manage migrate",
        )
    return Link("migrations", what="all are applied")


def _processes(facts: Facts, seen: Seen) -> Found:
    if seen.live is None or not seen.live.release:
        return None
    generation = seen.live.supervisor.get("generations", {}).get(seen.live.serving)
    if generation is None:
        if not seen.live.serving:
            return None  # the link, or the release, says it
        return Link("processes", BROKEN, f"nobody knows of {seen.live.serving}", todo="nuages restart")
    bad = [p for p in generation["processes"] if p.get("state") not in ("running", "starting")]
    if bad:
        said = ", ".join(f"{p['name']} is {p['state']}" + (f" ({p['ended']})" if p.get("ended") else "") for p in bad)
        first = bad[0]["name"].partition(".")[0]
        return Link("processes", BROKEN, said, todo=f"nuages logs {first} says why; nuages restart brings all back")
    return Link("processes", what=", ".join(str(p["name"]) for p in generation["processes"]) + " run")


def _socket(facts: Facts, seen: Seen) -> Found:
    told = (seen.answer or {}).get("ask")
    if not told or seen.live is None or not seen.live.release or not facts.topology.remote:
        return None
    link = seen.live.layout.socket
    if told["problem"] == "no link":
        return Link("socket", BROKEN, f"{link} is gone: nginx has nowhere to go", todo="nuages start")
    if told["problem"] == "no socket":
        return Link("socket", BROKEN, f"{link} leads to {told['target']}, and nothing is there", todo="nuages restart")
    runtime = str(seen.live.layout.runtime("")).rstrip("/")
    if not str(told["target"]).startswith(runtime + "/"):
        return Link("socket", BROKEN, f"{link} leads to {told['target']}, which is not the site's", todo="nuages restart")
    return Link("socket", what=f"{link} leads to {told['target']}")


def _request(facts: Facts, seen: Seen) -> Found:
    told = (seen.answer or {}).get("ask")
    if not told or seen.live is None or not seen.live.release or told["problem"] in ("no link", "no socket"):
        return None
    path = f"{facts.topology.health.path} {'on the socket' if facts.topology.remote else f'at {seen.live.address}'}"
    if told["problem"]:
        return Link("request", BROKEN, f"GET {path}: {told['problem']}", todo="nuages logs web; nuages restart")
    if told["status"] == 400:  # noqa: PLR2004
        return Link(
            "request",
            BROKEN,
            f"GET {path}: 400, Django refuses the host's name",
            todo="is the domain in nuages.toml, and deployed? ALLOWED_HOSTS follows from it",
        )
    if told["status"] >= 500:  # noqa: PLR2004
        return Link("request", BROKEN, f"GET {path}: {told['status']}", todo="nuages errors, nuages logs web")
    return Link("request", what=f"GET {path}: {told['status']} in {told['seconds'] * 1000:.0f} ms")


def _visit(_facts: Facts, seen: Seen) -> Found:
    visited = [door for door in seen.doors if door.status]
    asked = [door for door in seen.doors if not door.problem and not door.trust and door.port != 80]  # noqa: PLR2004
    bad = next((door for door in visited if door.status >= 500), None) or next((d for d in asked if not d.status), None)  # noqa: PLR2004
    if bad:
        said = f"https from here: {bad.status or 'no answer'}"
        return Link("visit", BROKEN, said, todo=f"ssh {seen.host.name} tail /var/log/nginx/{_facts.topology.name}.error.log")
    return Link("visit", what=f"https from here: {visited[0].status}") if visited else None


RULES: tuple[Callable[[Facts, Seen], Found], ...] = (
    _host, _room, _clock, _proxy, _firewall, _port, _certificate, _release, _settings, _database, _cache, _migrations, _processes,
    _socket, _request, _visit,
)  # fmt: skip


def _tail(text: str, lines: int = 4) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


__all__ = ["BROKEN", "FOLLOWS", "OK", "SKIPPED", "Door", "Link", "first_broken", "judged"]
