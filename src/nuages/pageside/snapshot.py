"""Write down how this host stands, where the site's own page may read it: facts.json, for the site's account. Stdlib only,
Python 3.9+.

A timer starts it as root. Beside it lie agent.py and agent_insight.py, which ask the machine and the log of requests, and
history.py, which reads the journal. Of the configuration only names are written.
"""

import glob
import hashlib
import json
import math
import os
import re
import ssl
import sys
import time


STEP = math.log(1.05)  # of a class of times, as in agent_insight.py
WINDOW = 3600
JOURNAL = 600000
WELL = ("running", "starting", "waiting")
FULL, FEW_DAYS, NIGHTS = 0.92, 14, 2.2
MANY_ERRORS, ENOUGH = 0.05, 20


def main(path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    facts = gather(config)
    write(config["to"], facts)


def write(path, facts):
    """Whole or not at all; readable by the folder's group, which is the site's account."""
    partial = path + ".partial"
    group = os.stat(os.path.dirname(path)).st_gid
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o640)
        os.fchown(file.fileno(), -1, group)
        json.dump(facts, file)
    os.replace(partial, path)


def gather(config):
    import agent
    import history

    place = config["dir"]
    site = agent.read_site(place)
    live = site["live"] or {}
    status = supervisor(agent, place)
    told = history.deploys(agent.read_text(place + "/journal.jsonl", -JOURNAL) or "", audit(agent, place))
    facts = {
        "schema": 1,
        "at": time.time(),
        "site": config["site"],
        "environment": config["environment"],
        "url": config["url"],
        "maintenance": site["maintenance"],
        "release": release_of(live, site["manifest"] or {}),
        "hosts": [host(agent, config, status)],
        "scale": {},
        "lock": lock_of(site["lock"], site["now"]),
        "releases": releases(agent, place, site, told),
        "deploys": told,
        "config": names(site["config"] or {}),
        "traffic": traffic(agent.read({"kind": "traffic", "path": config["log"], "seconds": WINDOW, "style": config["style"]})),
        "certificates": certificates(config, site["now"]),
        "backup": backup(agent, place),
        "errors": None,
    }
    problems = list(attention(facts))
    facts["state"] = "never deployed" if not live else "running" if status.get("live") else "stopped"
    facts["verdict"] = (
        "down" if facts["state"] == "stopped" else "degraded" if any(p["level"] != "note" for p in problems) else "healthy"
    )
    facts["attention"] = problems
    return facts


def supervisor(agent, place):
    answer = agent.read({"kind": "supervisor", "program": place + "/keeper/current/ctl.py", "dir": place})
    try:
        return json.loads(answer["stdout"]) if answer and answer["status"] == 0 else {}
    except ValueError:
        return {}


def audit(agent, place):
    found = []
    for line in (agent.read_text(place + "/audit.jsonl", -JOURNAL) or "").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # a line that was cut in two
            continue
    return [entry for entry in found if isinstance(entry, dict)]


def release_of(live, manifest):
    if not live:
        return {}
    kept = {key: live.get(key, "") for key in ("number", "build", "commit", "dirty", "config", "at", "by", "why")}
    return dict(kept, django=manifest.get("django", ""), python=manifest.get("python", ""))


def host(agent, config, status):
    vitals = agent.read({"kind": "vitals", "dir": config["dir"], "updates": False})
    processes = []
    for name, generation in (status.get("generations") or {}).items():
        for process in generation.get("processes", []):
            one = {key: process.get(key, "") for key in ("name", "kind", "state")}
            one.update(host=config["host"], generation=name, draining=generation.get("state") == "draining", pid=None)
            one.update(
                since=epoch(process.get("started")), restarts=process.get("restarts") or 0, memory_kb=process.get("rss_kb") or 0
            )
            processes.append(one)
    return dict(vitals, name=config["host"], reachable=True, processes=processes)


def lock_of(lock, now):
    if not lock or "unreadable" in lock or lock.get("expires", 0) < now:
        return {}
    by = lock.get("owner") or {}
    told = {"who": by.get("user", ""), "machine": by.get("host", ""), "what": by.get("what", ""), "reason": by.get("reason", "")}
    return dict(told, since=lock.get("since", 0), deploy=lock.get("token", ""))


def names(config):
    return {
        "version": config.get("version", 0),
        "names": sorted(config.get("env") or {}),
        "files": sorted(config.get("files") or {}),
    }


def releases(agent, place, site, told):
    number = (site["live"] or {}).get("number", 0)
    known = sorted((r for r in site["numbered"].values() if r["number"] <= number), key=lambda r: r["number"])
    by_number = {one["release"]: one for one in told if one["release"]}
    versions = {r["config"]: digests(agent.read_json("%s/config/v%s.json" % (place, r["config"])) or {}) for r in known}
    found, before = [], None
    for release in known:
        one = {
            key: release.get(key, "")
            for key in ("number", "build", "commit", "dirty", "config", "at", "by", "why", "rollback_to")
        }
        deploy = by_number.get(release["number"], {})
        old, new = ((r or {}).get("commit") or "" for r in (before, release))
        one["live"], one["deploy"] = release["number"] == number, deploy.get("id", "")
        one["diff"] = {
            "from": (before or {}).get("number", 0),
            "range": "%s..%s" % (old[:8], new[:8]) if old and new and old != new else "",
            "commits": [],
            "back": bool(release.get("rollback_to")),
            "same_build": (before or {}).get("build") == release["build"],
            "config": changed(versions.get((before or {}).get("config")), versions[release["config"]]),
            "migrations": deploy.get("migrations", []),
        }
        found.append(one)
        before = release
    return found[::-1]


def digests(config):
    """By name; only for comparing in this very process."""
    return {name: hashlib.sha256(str(value).encode()).hexdigest() for name, value in (config.get("env") or {}).items()}


def changed(old, new):
    if old is None:
        return []
    said = ["+ " + name for name in sorted(set(new) - set(old))]
    said += ["~ " + name for name in sorted(set(new) & set(old)) if new[name] != old[name]]
    return said + ["- " + name for name in sorted(set(old) - set(new))]


def traffic(answer):
    every, minutes = {}, []
    for at, (requests, errors, times) in sorted(answer["minutes"].items()):
        for kind, many in times.items():
            every[kind] = every.get(kind, 0) + many
        minutes.append({"at": at, "requests": requests, "errors": errors, "p50": share(times, 0.5), "p95": share(times, 0.95)})
    requests, errors = (sum(minute[key] for minute in minutes) for key in ("requests", "errors"))
    seconds = max(1.0, answer["now"] - answer["since"])
    told = {"seconds": seconds, "requests": requests, "errors": errors, "partial": answer["partial"], "minutes": minutes}
    shares = {"p50": share(every, 0.5), "p95": share(every, 0.95), "p99": share(every, 0.99)}
    return dict(told, per_minute=requests * 60 / seconds, error_share=errors / requests if requests else 0, **shares)


def share(times, part):
    """Seconds that this share of requests took at most."""
    left = math.ceil(sum(times.values()) * part)
    for kind, many in sorted(times.items()):
        left -= many
        if left <= 0:
            return round(math.exp((kind + 0.5) * STEP) / 1000, 4)
    return None


def certificates(config, now):
    """The first in the chain, which is the site's own."""
    found = []
    for path in glob.glob(config["certificates"] + "/fullchain.pem"):
        try:
            told = ssl._ssl._test_decode_cert(path)
            until = ssl.cert_time_to_seconds(told["notAfter"])
        except (OSError, ValueError, AttributeError):
            continue
        named = [name for kind, name in told.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
        issuer = dict(pair[0] for pair in told.get("issuer", ()) if pair)
        one = {"host": config["host"], "names": named, "not_after": until, "days_left": (until - now) / 86400, "problem": ""}
        found.append(dict(one, issuer=issuer.get("organizationName") or issuer.get("commonName", "")))
    return found


def backup(agent, place):
    told = agent.read_json(place + "/backups/status.json")
    if not told or "unreadable" in told:
        return None
    at = epoch(told.get("at"))
    return (
        {
            "at": at,
            "ok": bool(told.get("ok")),
            "what": "",
            "where": "",
            "problem": "" if told.get("ok") else str(told.get("what", "")),
        }
        if at
        else None
    )


def epoch(value):
    if isinstance(value, (int, float)):
        return float(value)
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)", str(value))
    if not match:
        return 0.0
    import calendar

    return float(calendar.timegm(time.strptime("%s %s" % match.groups(), "%Y-%m-%d %H:%M:%S")))


def attention(facts):
    (here,) = facts["hosts"]
    live = [p for p in here["processes"] if not p["draining"]]
    if facts["release"] and not live:
        yield problem("bad", "nothing is running")
    for process in live:
        if process["state"] not in WELL:
            yield problem("bad", "%s is in state %s" % (process["name"], process["state"]))
    yield from of_the_host(here, facts["certificates"])
    if facts["traffic"]["requests"] >= ENOUGH and facts["traffic"]["error_share"] > MANY_ERRORS:
        yield problem("warn", "%d%% of requests ended with an error of the server" % (100 * facts["traffic"]["error_share"]))
    if facts["backup"]:
        yield from of_the_backup(facts["backup"], facts["at"])
    if facts["maintenance"]:
        yield problem("warn", "visitors see the maintenance page")


def of_the_host(here, certificates):
    if here["disk"] and 1 - here["disk_free"] / here["disk"] > FULL:
        yield problem("warn", "%s: the disk is %d%% full" % (here["name"], 100 - 100 * here["disk_free"] / here["disk"]))
    for each in certificates:
        if each["days_left"] < FEW_DAYS:
            yield problem("warn", "the certificate of %s ends in %d days" % (", ".join(each["names"][:1]), each["days_left"]))


def of_the_backup(told, now):
    if not told["ok"]:
        yield problem("warn", "the last backup failed: " + told["problem"])
    if now - told["at"] > NIGHTS * 86400:
        yield problem("warn", "the newest backup is %d days old" % ((now - told["at"]) / 86400))


def problem(level, what):
    return {"level": level, "what": what, "hint": ""}


if __name__ == "__main__":
    main(sys.argv[1])
