"""nightly.py WISH: the site's backups, on its host. WISH is a JSON object: `verb`, and `config` (an object, or the path of one).

  run      dump every database, and keep it with uploads, files, configuration and the facts of the release; forget old ones
  verify   restore the newest into databases beside the live ones, look at it as the live release does, leave nothing
  list     what there is, and how the last run and the last verify ended
  key      everything that a restore needs beside the repository; made where there is none
  access   variables of the place where backups go; they come on standard input
  bring    "snapshot" (latest) into backups/restoring: databases, configuration, facts; what is in it
  config   the configuration of what was brought becomes the site's: on a server where nothing is live
  uploads  uploaded files of "snapshot" go back among those that are there
  forget   what `bring` laid down

How a run ended is in backups/status.json, for `nuages status` and for people: {"at", "ok", "what", "detail", "hint", "seconds",
"snapshot", "to", "here" (on the same machine), "rows", "bytes", "files", "last" (the last that went well), "verified": {...}},
and "began" while one runs, or after it was cut off.
A failed run ends with 1, so its unit has failed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import archive
import uploads
from databases import Data, contents_of, differences
from project import Project
from refusal import RefusedError, refuse, say, told, wish_of
from store import MissingError, Store, is_here, now, read, write


DAY = 86400
WEEK = 7 * DAY
STAGED = "stage"


class Backups:
    def __init__(self, wish):
        self.wish = wish
        self.config = wish["config"] if isinstance(wish["config"], dict) else read(wish["config"])
        self.dir, self.account = self.config["dir"], self.config.get("account", "")
        self.folder = os.path.join(self.dir, "backups")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.store = Store(self.config, read(wish["key_file"]) if wish.get("key_file") else None)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def status(self):
        """{} where it was damaged: it is a note, and keeps nobody from the next backup."""
        try:
            return read(self.path("status.json")) or {}
        except RefusedError:
            return {}

    @contextlib.contextmanager
    def alone(self):
        with open(self.path("lock"), "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(
                    "another backup or verify of this site is running", self.folder, "wait until it has ended"
                ) from None
            yield

    def data(self, alias, **more):
        return Data({"dir": self.dir, "account": self.account, "site": self.config["site"], "alias": alias, **more})


# --- making one ----------------------------------------------------------------------------------------------


def run(backups):
    with backups.alone():
        began = time.time()
        before = backups.status()
        about = {"at": now(), "to": backups.store.place, "where": backups.store.place, "here": is_here(backups.store.place)}
        kept = {key: before[key] for key in ("last", "last_to", "verified", "checked") if key in before}
        with contextlib.suppress(OSError):  # a full disk is told by what comes
            write(backups.path("status.json"), {**before, "began": about["at"]})
        try:
            made = make(backups, before)
        except BaseException as error:
            what = getattr(error, "what", "") or "%s: %s" % (type(error).__name__, error)
            failed = {"ok": False, "what": what, "detail": getattr(error, "detail", ""), "hint": getattr(error, "hint", "")}
            with contextlib.suppress(OSError):
                write(backups.path("status.json"), {**about, **failed, "seconds": round(time.time() - began, 1), **kept})
            raise
        finally:
            shutil.rmtree(backups.path(STAGED), ignore_errors=True)
        status = {
            **about,
            "ok": True,
            "seconds": round(time.time() - began, 1),
            **kept,
            **made,
            "last": about["at"],
            "last_to": about["to"],
        }
        write(backups.path("status.json"), status)
        return status


def make(backups, before):
    store = backups.store
    sweep(backups.path("incoming"))
    store.key()
    store.begin(begun=before.get("last_to") == store.place)
    facts = staged(backups)
    paths = [backups.path(STAGED), *own_files(backups)]
    say("sending to %s" % store.place)
    words = ["--tag", "nuages", "--tag", backups.config["site"], "--host", backups.config["site"]]
    last = store.ask("backup", "--json", *words, *paths).strip().splitlines()
    summary = next((one for one in map(as_json, reversed(last)) if one.get("message_type") == "summary"), {})
    checked = tidied(backups, before)
    size = sum(one["bytes"] for one in facts["databases"].values()) + facts["media"]["bytes"]
    rows = sum(one["rows"] for one in facts["databases"].values())
    snapshot = str(summary.get("snapshot_id", ""))[:8]
    say(
        "kept as %s: %d rows, %d uploaded files, %.1f MB new"
        % (snapshot, rows, facts["media"]["count"], summary.get("data_added", 0) / 1e6)
    )
    return {
        "snapshot": snapshot,
        "rows": rows,
        "bytes": size,
        "files": facts["media"]["count"],
        "added": summary.get("data_added"),
        **checked,
    }


def sweep(folder):
    """Dumps that arrived for a restore which did not come to its end."""
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if time.time() - os.lstat(path).st_mtime > DAY:
                os.unlink(path)


def as_json(line):
    with contextlib.suppress(ValueError):
        told = json.loads(line)
        if isinstance(told, dict):
            return told
    return {}


def own_files(backups):
    """What the site writes beside its databases."""
    names = ["files", *(["media"] if backups.config.get("media", True) else [])]
    found = [os.path.join(backups.dir, "shared", name) for name in names]
    return [path for path in found if os.path.isdir(path)]


def staged(backups):
    """Databases, configuration and facts, in one folder of root's."""
    stage = backups.path(STAGED)
    shutil.rmtree(stage, ignore_errors=True)
    os.makedirs(stage, mode=0o700)
    project = Project(backups.dir, backups.account)
    found = {}
    for alias in project.databases():
        # Uncompressed: the repository compresses, and finds again what has not changed since yesterday.
        wish = {"to": os.path.join(stage, "database-%s.tar" % alias), "compress": False}
        data = backups.data(alias, **wish)
        from databases import dump

        manifest = dump(data)["manifest"]
        found[alias] = {"engine": manifest["engine"], "bytes": manifest["bytes"], "rows": sum(manifest["tables"].values())}
    for name in ("config", "shared/config-files"):
        source = os.path.join(backups.dir, name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(stage, os.path.basename(name)), symlinks=True)
    media = (
        uploads.described(os.path.join(backups.dir, "shared", "media"))
        if backups.config.get("media", True)
        else {"count": 0, "bytes": 0, "sample": {}}
    )
    toml = os.path.join(project.build, "source", "nuages.toml")
    facts = {
        "format": 1,
        "site": backups.config["site"],
        "at": now(),
        "release": project.release,
        "databases": found,
        "media": media,
    }
    if os.path.exists(toml):
        shutil.copy(toml, os.path.join(stage, "nuages.toml"))
    write(os.path.join(stage, "facts.json"), facts)
    return facts


def tidied(backups, before):
    """Old ones go by retention every night; what they were made of, and a look at the repository itself, once a week."""
    keep = backups.config["keep"]
    words = [word for name in ("daily", "weekly", "monthly") if keep.get(name) for word in ("--keep-" + name, str(keep[name]))]
    weekly = before.get("last_to") != backups.store.place or time.time() - (before.get("checked") or 0) > WEEK
    backups.store.ask(
        "forget",
        "--tag",
        "nuages",
        "--group-by",
        "host",
        "--keep-last",
        "1",
        "--keep-within",
        "2d",
        *words,
        *(["--prune"] if weekly else []),
    )
    if not weekly:
        return {"checked": before["checked"]}
    backups.store.ask("check")
    return {"checked": time.time()}


# --- looking at one ------------------------------------------------------------------------------------------


def verify(backups):
    with backups.alone():
        began = time.time()
        folder = backups.path("verify")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            found = verified(backups, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        found = {"at": now(), "ok": not found["wrong"], "seconds": round(time.time() - began, 1), **found}
        write(backups.path("status.json"), {**backups.status(), "verified": found})
        return {"verified": found}


def verified(backups, folder):
    newest = newest_of(backups)
    root = extracted(backups, newest["id"], folder)
    facts = read(os.path.join(root, "facts.json"))
    wrong, lines = [], []
    for alias, about in facts["databases"].items():
        say("loading %s: %d rows" % (alias, about["rows"]))
        told_of = verified_database(backups, alias, os.path.join(root, "database-%s.tar" % alias))
        wrong += told_of["wrong"]
        lines.append(told_of["line"])
    sample = facts["media"]["sample"]
    if sample:
        say("reading %d of %d uploaded files" % (len(sample), facts["media"]["count"]))
        media = os.path.join(backups.dir, "shared", "media")
        backups.store.extract(newest["id"], folder, *(os.path.join(media, path) for path in sample))
        differ = uploads.differing(folder + media, sample)
        wrong += ["uploaded file %s is not what it was" % path for path in differ]
        lines.append("%d of %d uploaded files by their digest" % (len(sample), facts["media"]["count"]))
    versions = [name for name in os.listdir(os.path.join(root, "config")) if read(os.path.join(root, "config", name)) is not None]
    lines.append("configuration %s" % ", ".join(sorted(name[:-5] for name in versions)[-1:]))
    return {"snapshot": newest["id"], "of": newest["at"], "wrong": wrong, "found": lines}


def verified_database(backups, alias, path):
    data = backups.data(alias, word="verify", file=path)
    from databases import load

    try:
        load(data)
        with archive.opened(path) as (manifest, _stream):
            wrong = differences(manifest, contents_of(data.database, data.beside))
        if data.database.vendor == "postgresql":
            with data.database.session(data.beside) as session:
                wrong += data.database.lagging(session)
        state = data.project.ask("state", alias=alias, name=data.beside)
        pending, newer = len(state["pending"]), len(state["newer"])
        seen = (
            {"read": 0, "failed": [], "checks": []}
            if pending or newer
            else data.project.ask("check", alias=alias, name=data.beside)
        )
    finally:
        data.database.drop(data.beside)
    fits = (
        "the live release fits it"
        if not pending and not newer
        else "%d migrations behind the live release" % pending
        if pending
        else "newer than the live release"
    )
    wrong += [state["wrong"]] if state["wrong"] else []
    wrong += seen["failed"] + seen["checks"]
    rows = sum(manifest["tables"].values())
    line = "database %s: %d rows of %d tables, %s" % (alias, rows, len(manifest["tables"]), fits)
    return {"wrong": wrong, "line": line + (", %d models read by its code" % seen["read"] if seen["read"] else "")}


def newest_of(backups, which="latest"):
    found = backups.store.snapshots()
    chosen = found[-1:] if which == "latest" else [one for one in found if one["id"].startswith(which)]
    if not chosen:
        known = ", ".join(one["id"] for one in found[-5:]) or "none"
        raise RefusedError(
            "there is no backup %s" % which if found else "there is no backup yet", "known: " + known, "nuages backup now"
        )
    return chosen[-1]


def extracted(backups, which, folder):
    """The staged part of a backup, below `folder`; where it is then. The server's folder may have been another."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    backups.store.extract(which, folder, os.path.join(backups.folder, STAGED))
    root = os.path.join(folder + backups.folder, STAGED)
    if not os.path.exists(os.path.join(root, "facts.json")):
        raise RefusedError(
            "backup %s is of another site, or of another folder" % which, "it has no " + os.path.join(backups.folder, STAGED)
        )
    return root


def list_(backups):
    status = backups.status()
    try:
        backups.store.key()
        found = backups.store.snapshots()
    except MissingError:
        found = []
    place = backups.store.place
    return {
        "snapshots": found,
        "status": status,
        "to": place,
        "here": is_here(place),
        "public": backups.store.known.get("ssh_public", ""),
    }


def key(backups):
    return {"key": backups.store.whole_key()} if backups.wish.get("show") else {"made": bool(backups.store.key())}


def access(backups):
    given = json.loads(sys.stdin.readline())
    known = backups.store.key()
    known["environment"] = {**known["environment"], **given}
    write(backups.path("key.json"), known)
    return {"names": sorted(known["environment"])}


# --- taking one back -----------------------------------------------------------------------------------------


def bring(backups):
    if not backups.store.given:
        backups.store.key()
    chosen = newest_of(backups, backups.wish.get("snapshot") or "latest")
    backups.store.key()  # on a new server: the one that was given lies here from now on, since it is the right one
    folder = backups.path("restoring")
    shutil.rmtree(folder, ignore_errors=True)
    say("fetching %s of %s" % (chosen["id"], chosen["at"]))
    root = extracted(backups, chosen["id"], folder)
    facts = read(os.path.join(root, "facts.json"))
    files = {alias: os.path.join(root, "database-%s.tar" % alias) for alias in facts["databases"]}
    return {"snapshot": chosen["id"], "at": chosen["at"], "facts": facts, "files": files}


def config(backups):
    """Only the newest version: the older ones belong to releases that are gone."""
    if os.path.lexists(os.path.join(backups.dir, "live")):
        raise RefusedError("the site is live here; its configuration stays", "", "nuages config")
    root = os.path.join(backups.path("restoring") + backups.folder, STAGED)
    facts = read(os.path.join(root, "facts.json"))
    versions = sorted((int(name[1:-5]), name) for name in os.listdir(os.path.join(root, "config")))
    live = [name for number, name in versions if number == facts["release"].get("config")]
    name = (live or [versions[-1][1]])[0]
    place = os.path.join(backups.dir, "config")
    os.makedirs(place, mode=0o700, exist_ok=True)
    shutil.copy(os.path.join(root, "config", name), os.path.join(place, name))
    os.chmod(os.path.join(place, name), 0o600)
    files = os.path.join(root, "config-files")
    if os.path.isdir(files):
        target = os.path.join(backups.dir, "shared", "config-files")
        os.makedirs(target, mode=0o755, exist_ok=True)
        for each in os.listdir(files):
            shutil.copy(os.path.join(files, each), os.path.join(target, each))
            os.chmod(os.path.join(target, each), 0o600)
    return {"config": name[:-5]}


def uploads_(backups):
    """Extracted beside their place, given to the account, and moved in by it, file by file."""
    chosen = newest_of(backups, backups.wish.get("snapshot") or "latest")
    placed = replaced = 0
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for name in ("files", "media"):
        target = os.path.join(backups.dir, "shared", name)
        holder = os.path.join(backups.dir, "shared", ".restoring-" + name)
        shutil.rmtree(holder, ignore_errors=True)
        os.makedirs(holder, mode=0o700)
        try:
            backups.store.extract(chosen["id"], holder, target)
            source = holder + target
            if os.path.isdir(source):
                own(holder, backups.account, os.stat(target).st_gid if os.path.isdir(target) else -1)
                kept = os.path.join(holder, "before")
                moved = uploads.as_account(backups.account, "merge", source, target, kept)
                placed, replaced = placed + moved["placed"], replaced + moved["replaced"]
                if os.path.isdir(kept):
                    os.makedirs(backups.path("replaced"), mode=0o700, exist_ok=True)
                    shutil.move(kept, backups.path("replaced", "%s-%s" % (name, stamp)))
        finally:
            shutil.rmtree(holder, ignore_errors=True)
    say("%d files put back, %d of them in place of others" % (placed, replaced))
    return {"placed": placed, "replaced": replaced, "kept": backups.path("replaced") if replaced else ""}


def own(path, account, group):
    """`group`: the one of the place where they go, through which the proxy reads them."""
    if not account or os.geteuid() != 0:
        return
    import pwd

    found = pwd.getpwnam(account)
    # By open folders and not by paths: once the first is the account's, it may swap what is in it for links.
    for _folder, folders, names, descriptor in os.fwalk(path):
        os.fchown(descriptor, found.pw_uid, group)
        for name in folders + names:
            os.chown(name, found.pw_uid, group, dir_fd=descriptor, follow_symlinks=False)


def forget(backups):
    for name in ("restoring", "ssh-given"):
        shutil.rmtree(backups.path(name), ignore_errors=True)
    return {}


VERBS = {
    "run": run,
    "verify": verify,
    "list": list_,
    "key": key,
    "access": access,
    "bring": bring,
    "config": config,
    "uploads": uploads_,
    "forget": forget,
}


def main():
    wish = wish_of(sys.argv)
    answer = VERBS[wish["verb"]](Backups(wish))
    if wish.get("answer"):
        write(wish["answer"], answer)
    elif wish["verb"] != "run" or wish.get("told"):
        print(json.dumps(answer), flush=True)
    if wish["verb"] == "verify" and not answer["verified"]["ok"]:
        refuse(
            "the newest backup is not what it should be",
            "\n".join(answer["verified"]["wrong"][:12]),
            "make another: nuages backup now",
        )
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(told(main))
