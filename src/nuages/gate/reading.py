"""Questions through the gate: about the one site, and what of the machine a deploy must know. What is not named here is refused."""

import os
import re
import shutil
import sys

import running
import writing
from agent import READS, StepFailed, known, read_command
from beneath import SCRATCH, Refused, line, matching, number, only, own_scratch, read_plain, read_scratch, text
from contents import BUILD, NUMBER, VENV, ledger, variables


LEASE = 120
TOKEN = r"[0-9a-f]{2,32}"  # noqa: S105 - its form
EVERYBODY = "*"
SPARE = 512 << 20  # bytes of the disk that no upload takes
READ_AS_JSON = (
    r"releases/%s/manifest\.json" % BUILD,
    r"numbered/%s/(policy|env|release)\.json" % NUMBER,
    r"config/v[0-9]{1,9}\.json",
)
STATED = (r"venvs/%s(/.*)?" % VENV, r"venvs/\.wheels/[0-9a-f]{64}-[0-9.]{1,8}", r"releases/%s(/.*)?" % BUILD)
ASKED_OF_CODE = r"nuages_runtime\.(pending|rehearse|schema|mailing)"
MAKERS = ("acme", "local-ca", "own", "none")
YOURSELF = "log in as yourself: it deploys its one site, goes back and sets its configuration"
NOT_HERE = {"status": 126, "stdout": "", "stderr": "not through a deploy key"}


def answer(site, request):
    """All of a request is judged before any of it is carried out."""
    only(request, "read", "write", "journal")
    questions = request.get("read") or {}
    asked = {key: (judged(site, key, question), question) for key, question in questions.items()}
    answers = {key: put(question) for key, (put, question) in asked.items()}
    if "write" in request:
        writing.carry_out(site, request["write"], request["journal"])
    return answers


def judged(site, key, question):
    """What components would ask as root, to see whether something stands in their way, is not asked: what comes of that is a step."""
    try:
        return judge(site, question)
    except Refused:
        if key.startswith("conflict ") and question.get("kind") == "command":
            return lambda _question: dict(NOT_HERE)
        raise


def judge(site, question):
    kind = question.get("kind")
    found = QUESTIONS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise Refused("a deploy key may not ask for %.40r" % (kind,), YOURSELF)
    return found(site, {name: value for name, value in question.items() if name != "kind"})


def ask(kind, **told):
    return lambda _question: known(READS, kind)(**told)


def the_site_s(site, value, own):
    if value != own:
        raise Refused("this key is of the site %s, and of no other" % site.name, person=False, hint="")
    return own


# --- one judge for each question: it returns how it is answered ---------------------------------------------------


def _host(_site, told):
    only(told)
    return ask("host")


def _base(_site, told):
    only(told)
    return ask("base")


def _caller(_site, told):
    only(told)
    return ask("caller")


def _of_site(site, told):
    only(told, "dir")
    the_site_s(site, told.get("dir"), site.dir)

    def put(_question):
        found = known(READS, "site")(site.dir)
        if found.get("lock"):
            found["lock"].pop("token", None)  # whoever knows it could give back somebody else's lock
        return found

    return put


def _free_port(_site, told):
    only(told, "after")
    return ask("free_port", after=int(number(told.get("after", 8000), 0, 65535)))


def _supervisor(site, told):
    only(told, "program", "dir")
    the_site_s(site, told.get("program"), site.ctl)
    the_site_s(site, told.get("dir"), site.dir)
    return ask("supervisor", program=site.ctl, dir=site.dir)


def _certificates(site, told):
    only(told, "maker", "names", "folder", "state", "addresses")
    the_site_s(site, told.get("folder"), "/etc/nuages/certs/" + site.name)
    the_site_s(site, told.get("state"), site.dir + "/certificates")
    if told.get("maker") not in MAKERS or len(told["names"]) > 100:
        raise Refused("the gate does not understand this question about certificates", person=False, hint="")
    names = [matching(r"[A-Za-z0-9.:*-]{1,253}", name, "name of a host") for name in told["names"]]
    return ask("certificates", **{**told, "names": names, "addresses": bool(told.get("addresses"))})


def _ready(site, told):
    only(told, "packages", "accounts", "paths", "units", "ports", "site")
    the_site_s(site, told.get("site"), site.name)
    words = {kind: [text(word, 4096) for word in told.get(kind) or ()] for kind in ("packages", "accounts", "paths", "units")}
    ports = [int(number(port, 0, 65535)) for port in told.get("ports") or ()]

    def put(_question):
        """Of a file that is neither this site's nor everybody's, not even a digest is told."""
        mine = of_site(site, ledger(site))
        ours = {path for kind in ("files", "links", "absent", "directories") for path in mine.get(kind, {})}
        asked = [path for path in words["paths"] if path in ours or path == site.dir or path.startswith(site.dir + "/")]
        units = [unit for unit in words["units"] if re.fullmatch(r"[A-Za-z0-9@._:\\-]{1,200}", unit) and unit[0] != "-"]
        found = known(READS, "ready")(words["packages"], words["accounts"], asked, units, ports, site.name)
        told_of = {*words["paths"], *ours}
        paths = {path: found["paths"].get(path) for path in told_of}
        return {**found, "ledger": mine, "paths": paths}

    return put


def of_site(site, whole):
    """The ledger without what is another site's."""
    kept = {}
    for kind, entries in whole.items():
        if kind == "sites":
            kept[kind] = entries  # their names: a shared file goes only with the last of them
        elif isinstance(entries, dict) and kind not in ("facts", "occupied", "came"):
            kept[kind] = {
                key: entry
                for key, entry in entries.items()
                if not isinstance(entry, dict) or entry.get("for", EVERYBODY) in (EVERYBODY, site.name)
            }
        else:
            kept[kind] = entries
    return kept


# --- the lock -----------------------------------------------------------------------------------------------------


def _lock(site, told):
    only(told, "path", "token", "owner", "seconds", "over")
    the_site_s(site, told.get("path"), site.lock)
    token = matching(TOKEN, told.get("token"), "token")
    over = told.get("over") or ""
    if over and site.holder().get("token") != over:
        raise Refused("only a lock of this key is taken over", "nuages lock tells who holds it", person=False)
    claimed = told.get("owner") or {}
    words = {name: line(str(claimed.get(name) or ""), 300) for name in ("host", "what", "reason", "counted_in")}
    owner = {**words, "user": site.label, "pid": int(number(claimed.get("pid", 0), 0, 1 << 31)), "remote": True}
    return ask("lock", path=site.lock, token=token, owner=owner, seconds=LEASE, over=over)


def _renew(site, told):
    only(told, "path", "token", "seconds")
    return _mine(site, told, "renew", seconds=LEASE)


def _unlock(site, told):
    only(told, "path", "token", "outcome")
    return _mine(site, told, "unlock", outcome=re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text(told.get("outcome") or "", 4000)))


def _mine(site, told, kind, **more):
    """A token of somebody else's is no use to this key."""
    the_site_s(site, told.get("path"), site.lock)
    token = matching(TOKEN, told.get("token"), "token")

    def put(_question):
        if site.holder().get("token") != token:
            return {"held": False} if kind == "renew" else {}
        return known(READS, kind)(path=site.lock, token=token, **more)

    return put


def _locked(site, told):
    only(told, "path")
    the_site_s(site, told.get("path"), site.lock)

    def put(_question):
        found = known(READS, "locked")(site.lock)
        found.get("holder", {}).pop("token", None)
        return found

    return put


def _cancel(site, told):
    only(told, "journal")
    the_site_s(site, told.get("journal"), site.journal)
    return ask("cancel", journal=site.journal) if site.holder() else lambda _question: {"stopped": False}


# --- files, pieces, scratch folders -------------------------------------------------------------------------------


def _json(site, told):
    only(told, "path")
    path = text(told.get("path"), 4096)
    if path.startswith(SCRATCH + "/"):
        return lambda _question: read_scratch(site, path)
    part = site.fits(path, *READ_AS_JSON)
    return lambda _question: read_plain(site, part)


def _files(site, told):
    only(told, "paths")
    paths = [text(path, 4096) for path in told.get("paths") or ()]
    for path in paths:
        site.fits(path, *STATED)
    return lambda _question: {path: {"there": True} if os.path.lexists(path) else None for path in paths}


def _store(site, told, *names):
    only(told, "store", *names)
    the_site_s(site, told.get("store"), site.store)


def _lacking(site, told):
    _store(site, told, "pieces")
    pieces = {matching(r"[0-9a-f]{64}", digest, "digest"): number(size) for digest, size in (told.get("pieces") or {}).items()}

    def put(_question):
        lacking = known(READS, "lacking")(store=site.store, pieces=pieces)
        if sum(pieces[digest] for digest in lacking) > room(site):
            raise Refused("there is no room for this on the server's disk", "nuages doctor", person=False)
        return lacking

    return put


def room(site):
    return max(0, shutil.disk_usage(site.dir).free - SPARE)


def _receive(site, told):
    """A piece at a time, by its digest, as long as the disk has room for other people's work too."""
    _store(site, told)

    def put(_question):
        known(READS, "receive")
        import agent_server

        count, take = 0, agent_server._receive
        for digest, size, packed in _frames():
            if max(size, packed) > room(site):
                raise StepFailed("there is no room for this on the server's disk")
            take(site.store, digest, size, packed)
            count += 1
        agent_server._sync(site.store)
        return {"pieces": count}

    return put


def _frames():
    while True:
        line = sys.stdin.buffer.readline(200).decode("ascii")
        if line == "end\n":
            return
        found = re.fullmatch(r"([0-9a-f]{64}) ([0-9]{1,15}) ([0-9]{1,15})\n", line)
        if not found:
            raise StepFailed("the connection ended before the last piece", "", "run the same command again: what arrived is kept")
        yield found.group(1), int(found.group(2)), int(found.group(3))


def _scratch(site, told):
    only(told, "files", "links", "owner")
    the_site_s(site, told.get("owner"), site.account)
    files = {text(name, 4096): text(content, 32 << 20) for name, content in (told.get("files") or {}).items()}
    links = told.get("links") or {}
    for target in links.values():
        site.fits(target, r"releases/%s/runtime" % BUILD)
    return ask("scratch", files=files, links=links, owner=site.account)


def _unscratch(site, told):
    only(told, "path")
    path = text(told.get("path"), 4096)
    folder = matching(r"nuages-[a-z0-9_]+", os.path.basename(path), "scratch folder")
    if os.path.dirname(path) != SCRATCH:
        raise Refused("%.80s is no scratch folder" % path, person=False, hint="")
    own_scratch(site, folder)
    return ask("unscratch", path=path)


# --- commands that only ask -----------------------------------------------------------------------------------------


def _command(site, told):
    """Of the project's code, what its migrations are, and that it sends the news of a deploy; of PostgreSQL, that the site's role may make a copy for as long as a
    rehearsal takes."""
    only(told, "argv", "env", "cwd", "timeout", "user", "input", "stream")
    argv = [text(word, 1 << 16) for word in told["argv"]]
    env, user = dict(told.get("env") or {}), told.get("user") or ""
    variables(env)
    timeout = number(told.get("timeout") or 60, 0, 86400)
    stream = bool(told.get("stream"))
    if user == site.account and argv[1:2] == ["-m"] and re.fullmatch(ASKED_OF_CODE, argv[2]):
        site.fits(argv[0], r"venvs/%s/bin/python" % VENV)
        cwd, said = text(told.get("cwd") or "/", 4096), text(told.get("input") or "", 1 << 16)
        return lambda _question: read_command(argv, env, cwd, timeout, site.account, input=said, stream=stream)
    if user == "postgres" and argv in copying(site):
        return lambda _question: read_command(argv, running.ROOM, "/", 120, "postgres", stream=stream)
    if argv[:3] == ["stat", "-c", "%s"] and len(argv) == 4:
        return lambda _question: read_command([*argv[:3], "--", argv[3]], running.ROOM, "/", 60, site.account)
    raise Refused("a deploy key does not run %.80s" % " ".join(argv), YOURSELF)


def copying(site):
    role = '"%s"' % site.account.replace('"', '""')
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c"]
    return [[*psql, "ALTER ROLE %s %s" % (role, word)] for word in ("CREATEDB", "NOCREATEDB")]


def _permits(site, told):
    """What of a plan would be refused, asked before its first write."""
    only(told, "steps")
    return lambda _question: writing.refused(site, told["steps"])


QUESTIONS = {
    "host": _host,
    "base": _base,
    "caller": _caller,
    "site": _of_site,
    "free_port": _free_port,
    "supervisor": _supervisor,
    "certificates": _certificates,
    "ready": _ready,
    "lock": _lock,
    "renew": _renew,
    "unlock": _unlock,
    "locked": _locked,
    "cancel": _cancel,
    "json": _json,
    "files": _files,
    "lacking": _lacking,
    "receive": _receive,
    "scratch": _scratch,
    "unscratch": _unscratch,
    "command": _command,
    "permits": _permits,
}
