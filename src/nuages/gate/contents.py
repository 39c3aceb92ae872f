"""What may stand in the files that a deploy writes. They outlive it: a later command of a person with root reads them, and
must not be led elsewhere by them."""

import json
import os

from agent import READS, known
from beneath import Refused, line, matching, number, only, text


BUILD = r"[A-Za-z0-9_-]{1,64}"
VENV = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
GENERATION = r"v[0-9]{1,9}-[A-Za-z0-9]{1,32}"
NUMBER = r"v[0-9]{1,9}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,200}"
PROCESS = r"[A-Za-z0-9_-]{1,64}"
ALIAS = r"[A-Za-z0-9_-]{1,64}"
LABEL = r"[A-Za-z0-9_.]{1,300}"
DIGEST = r"[0-9a-f]{64}"
KINDS = ("web", "worker", "scheduler", "cron", "release")
MOST_PROCESSES, MOST_INSTANCES = 64, 256


def parsed(content, what):
    try:
        value = json.loads(content)
    except ValueError:
        raise Refused("%s is no JSON" % what, person=False, hint="") from None
    if not isinstance(value, dict):
        raise Refused("%s is no JSON object" % what, person=False, hint="")
    return value


def variables(value):
    for name, each in value.items():
        matching(VARIABLE, name, "name of a variable")
        text(each if isinstance(each, str) else str(each), 1 << 20)


def relative(value):
    """A path in a folder, which leads nowhere else."""
    text(value, 4096)
    if value.startswith("/") or os.path.normpath(value) != value or value.split("/")[0] in ("", ".", ".."):
        raise Refused("%.80r is no path inside a folder" % value, person=False, hint="")
    return value


def config(site, content, version):
    told = parsed(content, "the configuration")
    only(told, "version", "env", "files", "scale", "secret_key", "secret_key_fallbacks", "why", "quiet")
    if told.get("version") != version:
        raise Refused("config v%d says that it is another" % version, person=False, hint="")
    variables(told.get("env") or {})
    for name, each in (told.get("files") or {}).items():
        relative(name)
        text(each, 16 << 20)
    for name, each in (told.get("scale") or {}).items():
        matching(PROCESS, name, "name of a process")
        number(each, 0, MOST_INSTANCES)
    line(told.get("why") or "")
    if not isinstance(told.get("quiet", False), bool):
        raise Refused("quiet is on or off", person=False, hint="")
    for each in (told.get("secret_key") or "", *(told.get("secret_key_fallbacks") or ())):
        text(each)


def release(site, content, numbered):
    """Who made it is told by the key, whatever the client says."""
    told = parsed(content, "release.json")
    if told.get("number") != numbered:
        raise Refused("release v%d says that it is another" % numbered, person=False, hint="")
    readable(told)
    matching(BUILD, told.get("build"), "build")
    number(told.get("config"), 0, 1 << 30)
    matching(r"[0-9a-f]{0,64}", told.get("policy"), "digest")
    if told.get("venv"):
        matching(VENV, told["venv"], "environment")
    if told.get("environment"):
        environment(site, told["environment"])
    if "rollback_to" in told:
        number(told["rollback_to"], 1, 1 << 30)
    return json.dumps({**told, "by": site.label}, indent=1)


def readable(told):
    for value in told.values():
        if isinstance(value, str):
            line(value, 1 << 16)


def environment(site, path):
    return site.fits(path, "venvs/" + VENV)


def policy(site, content):
    """Later commands take folders from it: those are the site's own, and no others."""
    told = parsed(content, "policy.json")
    fixed = {
        "site": site.name,
        "static_serve": site.static,
        "media_root": site.dir + "/shared/media",
        "data_dir": site.dir + "/shared/data",
        "maintenance_file": site.dir + "/shared/maintenance",
    }
    for name, value in fixed.items():
        if name in told and told[name] != value:
            raise Refused("%s of policy.json must be %s" % (name, value), person=False, hint="")
    for name in ("project", "manage_dir", "static_root"):
        if name in told:
            site.fits(told[name], r"releases/(%s|<build>)(/.*)?" % BUILD)
    for name in told.get("domains") or ():
        matching(r"[A-Za-z0-9.:_*-]{1,253}", name, "domain")
    variables(told.get("selectors") or {})


def manifest(site, content, build):
    told = parsed(content, "manifest.json")
    if told.get("build") != build:
        raise Refused("build %s says that it is another" % build, person=False, hint="")
    readable(told)
    environment(site, told.get("environment"))
    if told.get("venv"):
        matching(VENV, told["venv"], "environment")
    for process in told.get("processes") or ():
        matching(PROCESS, process["name"], "name of a process")
        if process["kind"] not in KINDS:
            raise Refused("%.40r is no kind of process" % process["kind"], person=False, hint="")
        text(process.get("command") or "")
    for name in told.get("writable") or ():
        relative(name)


def spec(site, content, generation):
    """What systemd will run: units of this site alone, as its account, with logs in its own folder."""
    told = parsed(content, "spec.json")
    if told.get("account") != site.account or told.get("generation") != generation:
        raise Refused("a generation of %s runs as %s and as nobody else" % (site.name, site.account), person=False, hint="")
    matching(BUILD, told.get("build"), "build")
    units = site_units(site)
    processes, jobs = told.get("processes") or [], told.get("cron") or []
    if len(processes) + len(jobs) > MOST_PROCESSES:
        raise Refused("these are too many processes", person=False, hint="")
    for process in processes:
        _process(site, process)
        _has_unit(units, "%s-%s@.service" % (site.name, process["name"]))
    for job in jobs:
        _process(site, job)
        _has_unit(units, "%s-cron-%s.timer" % (site.name, job["name"]))


def _has_unit(units, name):
    """No unit is made here, and none of another site is named by chance or by design."""
    if name not in units:
        raise Refused("there is no unit %s of this site on the server" % name)


def site_units(site):
    """Names of unit files that the ledger calls this site's."""
    files, folder = ledger(site).get("files", {}), "/etc/systemd/system/"
    return {path[len(folder) :] for path, entry in files.items() if path.startswith(folder) and entry.get("for") == site.name}


def ledger(site):
    known(READS, "ready")  # loads the module
    import agent_ready

    return agent_ready.read_ledger(site.root)


def _process(site, process):
    matching(PROCESS, process.get("name"), "name of a process")
    if process.get("kind") not in KINDS:
        raise Refused("%.40r is no kind of process" % process.get("kind"), person=False, hint="")
    site.fits(process.get("log"), r"logs/[A-Za-z0-9_-]{1,80}\.log")
    variables(process.get("env") or {})
    for word in process.get("argv") or ():
        text(word)
    text(process.get("cwd") or "", 4096)
    number(process.get("instances", 1), 0, MOST_INSTANCES)
    number(process.get("workers", 1), 0, MOST_INSTANCES)
    for name in ("drain", "start_timeout"):
        number(process.get(name, 0), 0, 86400)


def environ(content):
    variables(parsed(content, "env.json"))


def unfinished(content):
    told = parsed(content, "the note")
    only(told, "number", "alias", "after")
    number(told.get("number"), 1, 1 << 30)
    matching(ALIAS, told.get("alias"), "name of a database")
    for label in told.get("after") or ():
        matching(LABEL, label, "migration")


def kept_since(content):
    told = parsed(content, "the note")
    only(told, "number", "alias")
    number(told.get("number"), 1, 1 << 30)
    matching(ALIAS, told.get("alias"), "name of a database")
