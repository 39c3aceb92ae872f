"""Steps through the gate: judged whole, before the first of them is begun. What is not named here is refused."""

import os
import re

import contents
import environment
import lists
import running
from agent import WRITES, write
from beneath import Refused, firm, line, number, only, read_plain, text
from contents import BUILD, GENERATION, NUMBER, VENV


MOST_STEPS, MOST_OPS = 500, 5000
RELEASE = r"numbered/(%s)" % NUMBER
SNAPSHOTS = 5  # the newest that stay, as migrations/snapshot.py has it
FILLS_STORE = ("assemble", "run")  # and the files of STORE: nothing live refers to what they bring
STORE = (environment.NOTE, r"releases/%s/manifest\.json" % BUILD)
REMOVED = (
    RELEASE,
    r"releases/%s" % BUILD,
    r"venvs/%s" % VENV,
    environment.NOTE,
    r"config/v[0-9]{1,9}\.json",
    r"snapshots/[A-Za-z0-9._-]{1,200}",
    "shared/maintenance",
    "unfinished\\.json",
    "kept-since\\.json",
    "live",
    "current",
)


def carry_out(site, steps, journal):
    """Those of a plan are carried out under the lock of this key, as its deploy; those that fill the store need none. Of
    several hosts only the first has the lock: on the others nobody else may have one, and the agent knows a token that is over."""
    if journal != site.journal:
        raise Refused("the journal of %s is %s" % (site.name, site.journal), person=False, hint="")
    checked = [check(site, step) for step in steps]
    if len(checked) > MOST_STEPS or sum(len(step["ops"]) for step in checked) > MOST_OPS:
        raise Refused("these are too many steps", person=False, hint="")
    if not all(is_of_store(site, step) for step in checked):
        holder, tokens = site.holder(), {step["deploy"] for step in checked}
        theirs = bool(read_plain(site, "lock.json")) and not holder
        if theirs or "" in tokens or (holder and tokens != {holder["token"]}):
            raise Refused("this key does not hold the lock of %s" % site.name, "nuages lock tells who does", person=False)
    WRITES["gate_compile"] = lambda **told: running.write_compile(site=site, **told)
    write(checked, journal)


def check(site, step):
    """The step as it is carried out. Raises Refused."""
    only(step, "text", "deploy", "ops", "undo")
    ops = [allowed(site, op) for op in step["ops"]]
    undo = [allowed(site, op) for op in step.get("undo") or ()]
    words = line(text(step["text"], 4000).replace("\n", " "), 4000)
    return {"text": words, "deploy": text(step.get("deploy") or "", 64), "ops": ops, "undo": undo}


def refused(site, steps):
    """[step's text, why] of those that a person with root would have to carry out."""
    found = []
    for step in steps:
        try:
            check(site, step)
        except Refused as error:
            found.append([text(step.get("text"), 2000), error.what])
    return found


def is_of_store(site, step):
    return all(_fills(site, op) for op in (*step["ops"], *step["undo"]))


def _fills(site, op):
    """What runs as root here is the program that lays out an environment, and the compiler."""
    if op["op"] == "file":
        return any(re.fullmatch(pattern, site.part(op["path"])) for pattern in STORE)
    if op["op"] == "remove":
        return all(re.fullmatch(environment.NOTE, site.part(path)) for path in op["paths"])
    as_account = op["op"] == "run" and op.get("user") == site.account and op["argv"][1:4] == ["-I", "-S", "-c"]
    program = op["op"] == "run" and not op.get("user") and op["argv"][2:3] == [os.path.join(running.HERE, environment.PROGRAM)]
    return op["op"] in ("assemble", "gate_compile") or program or as_account


def allowed(site, op):
    kind = op.get("op")
    judge = JUDGES.get(kind) if isinstance(kind, str) else None
    if judge is None:
        raise Refused("a deploy key changes nothing of the server (%.40s)" % kind)
    return judge(site, op)


# --- one judge for each op ---------------------------------------------------------------------------------------


def _file(site, op):
    only(op, "op", "path", "content", "mode", "only", "group")
    content, path = text(op["content"], 32 << 20), op["path"]
    for pattern, mode, group, judge in FILES:
        found = re.fullmatch(pattern, site.part(path))
        if found:
            if op.get("mode", 0o644) != mode or op.get("group", "") not in ("", site.account if group else ""):
                raise Refused("%.120s has the mode %o" % (path, mode), person=False, hint="")
            judged = judge(site, content, *found.groups())
            firm(site, site.part(path))
            return {**op, "content": judged if isinstance(judged, str) else content}
    raise Refused("a deploy key does not write %.120s" % path)


def _config(site, content, version):
    contents.config(site, content, int(version))
    if os.path.lexists("%s/config/v%s.json" % (site.dir, version)):
        raise Refused("config v%s is there already" % version, "deploy again", person=False)


def _maintenance(_site, content):
    if content not in ("deploy\n", "window\n"):
        raise Refused("only a deploy's own page is written here", person=False, hint="")


FILES = (
    (r"config/v([0-9]{1,9})\.json", 0o600, False, _config),
    (r"shared/config-files/(.+)", 0o640, True, lambda _site, _content, name: contents.relative(name) and None),
    (RELEASE + r"/policy\.json", 0o644, False, lambda site, content, _name: contents.policy(site, content)),
    (RELEASE + r"/env\.json", 0o600, False, lambda site, content, _name: contents.environ(content)),
    (RELEASE + r"/release\.json", 0o644, False, lambda site, content, name: contents.release(site, content, int(name[1:]))),
    (r"run/generations/(%s)/spec\.json" % GENERATION, 0o600, False, contents.spec),
    (r"releases/(%s)/manifest\.json" % BUILD, 0o644, False, contents.manifest),
    (environment.NOTE, 0o600, False, environment.note),
    (r"shared/maintenance", 0o644, False, _maintenance),
    (r"unfinished\.json", 0o644, False, lambda site, content: contents.unfinished(content)),
    (r"kept-since\.json", 0o644, False, lambda site, content: contents.kept_since(content)),
)
LINKS = (
    (r"live", r"numbered/%s" % NUMBER),
    (r"current", r"releases/%s" % BUILD),
    (RELEASE + "/runtime", r"\.\./\.\./releases/%s/runtime" % BUILD),
    (RELEASE + "/source", r"\.\./\.\./releases/%s/source" % BUILD),
)


def _symlink(site, op):
    only(op, "op", "path", "target")
    part, target = site.part(op["path"]), text(op["target"], 4096)
    if not any(re.fullmatch(path, part) and re.fullmatch(leads, target) for path, leads in LINKS):
        raise Refused("a deploy key lays no link %.80s to %.80s" % (op["path"], target))
    firm(site, part)
    return dict(op)


def _mkdir(site, op):
    only(op, "op", "path", "mode", "owner", "group")
    part = site.fits(op["path"], RELEASE, "run/migrations")
    own = (op.get("owner"), op.get("group")) == (site.account, site.account)
    workshop = part == "run/migrations" and own and op.get("mode") == 0o700
    plain = part != "run/migrations" and not op.get("owner") and not op.get("group") and op.get("mode", 0o755) == 0o755
    if not (workshop or plain):
        raise Refused("%.120s belongs to somebody else" % op["path"], person=False, hint="")
    firm(site, part)
    return dict(op)


def _remove(site, op):
    only(op, "op", "paths", "only")
    for path in op["paths"]:
        part = site.fits(path, *REMOVED)
        firm(site, part)
        if part in live_parts(site):
            raise Refused("%.120s is live" % path, person=False, hint="")
        if part.startswith("snapshots/") and os.path.basename(part) in newest_snapshots(site):
            raise Refused("%.120s is one of the newest snapshots" % path)
    return {**op, "only": text(op["only"])} if op.get("only") is not None else {"op": "remove", "paths": list(op["paths"])}


def newest_snapshots(site):
    try:
        names = [name for name in os.listdir(site.dir + "/snapshots") if not name.endswith(".partial")]
    except OSError:
        return []
    return sorted(names, key=lambda name: int("".join(filter(str.isdigit, name.split("-", 1)[0])) or 0))[-SNAPSHOTS:]


def _union(site, op):
    only(op, "op", "path", "to")
    site.fits(op["path"], r"releases/%s/static" % BUILD)
    if op["to"] != site.static or os.path.islink(op["path"]):
        raise Refused("static files of %s go to %s" % (site.name, site.static), person=False, hint="")
    firm(site, "shared/static/x")
    return dict(op)


def _prune(site, op):
    only(op, "op", "path", "keep")
    for tree in op["keep"]:
        site.fits(tree, r"releases/%s/static" % BUILD)
    if op["path"] != site.static:
        raise Refused("static files of %s are in %s" % (site.name, site.static), person=False, hint="")
    firm(site, "shared/static/x")
    return dict(op)


def _sweep(site, op):
    only(op, "op", "store", "spare")
    if op["store"] != site.store:
        raise Refused("the store of %s is %s" % (site.name, site.store), person=False, hint="")
    return {"op": "sweep", "store": site.store, "spare": max(60, number(op.get("spare", 0)))}


def _assemble(site, op):
    only(op, "op", "store", "to", "entries")
    part = site.fits(op["to"], r"releases/%s" % BUILD)
    if op["store"] != site.store or not isinstance(op["entries"], dict):
        raise Refused("the store of %s is %s" % (site.name, site.store), person=False, hint="")
    firm(site, part)
    return {**op, "entries": lists.check(site, os.path.basename(part), op["entries"].get("piece"))}


JUDGES = {
    "file": _file,
    "symlink": _symlink,
    "mkdir": _mkdir,
    "remove": _remove,
    "union": _union,
    "prune": _prune,
    "sweep": _sweep,
    "assemble": _assemble,
    "run": running.allowed,
}


def live_parts(site):
    """Below the site's folder: the release that serves, its build and its environment."""
    found = _read_live(site)
    return {"numbered/v%s" % found.get("number"), "releases/%s" % found.get("build"), "venvs/%s" % found.get("venv")}


def _read_live(site):
    try:
        part = os.readlink(site.dir + "/live")
    except OSError:
        return {}
    return (read_plain(site, part + "/release.json") if re.fullmatch(RELEASE, part) else None) or {}
