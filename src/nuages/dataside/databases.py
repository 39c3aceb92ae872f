"""databases.py WISH: what is done with a site's database, on its host. WISH is a JSON object with `verb` and its words:

  {"verb": "dump",  "to": PATH}                    the live database (or "name") into an archive; "compress": false for a store that compresses
  {"verb": "load",  "file": PATH, "word": "restore"}   into a database beside the live one, which then is called <db>.restore (of SQLite: -restore)
  {"verb": "check", "file": PATH, "word": "restore"}   is it what the dump held, and does the live release fit it? "migrate", "newer", "older": true
  {"verb": "swap",  "word": "restore", "kept": "before-20261125-163000"}   it takes the live one's place, which is kept
  {"verb": "undo",  "name": NAME, "kept": WORD}    a kept one takes the live one's place again
  {"verb": "drop",  "word": WORD} or {"name": NAME}
  {"verb": "list"}, {"verb": "facts"}, {"verb": "read"} (each model's first row is read by the release's code from "word" or the live one)

All take "dir" (the site's folder), "account" ("" on a machine without root) and "alias" (default). The answer is one JSON
object on the last line; what comes before it is progress. Errors: {"error", "detail", "hint"} and status 1.
"""

import json
import os
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import archive
from postgres import Postgres
from project import Project
from refusal import RefusedError, say, told, wish_of
from sqlite import Sqlite


ENGINES = {"postgresql": Postgres, "sqlite": Sqlite}
SHOWN = 8  # differences that are told


class Data:
    def __init__(self, wish):
        self.wish, self.alias = wish, wish.get("alias", "default")
        self.project = Project(wish["dir"], wish.get("account", ""))
        entries = self.project.databases()
        if self.alias not in entries:
            known = ", ".join(entries) or "none"
            raise RefusedError("there is no database called %s to work with" % self.alias, "known: " + known)
        self.entry = entries[self.alias]
        self.database = engine_of(self.entry, wish.get("account", ""))

    @property
    def beside(self):
        """What the wish names: by its whole name, or by the word that is added to the live one's; "" is the live one."""
        if self.wish.get("name"):
            return self.wish["name"]
        return self.database.beside(self.wish["word"]) if self.wish.get("word") else ""


def engine_of(entry, account):
    if entry["vendor"] not in ENGINES:
        raise RefusedError("databases of %s are not dumped yet" % entry["vendor"], "", "PostgreSQL and SQLite are")
    return ENGINES[entry["vendor"]](entry, account)


def contents_of(database, which=""):
    if database.vendor == "sqlite":
        return database.contents_of(which)
    with database.session(which) as session:
        return {**database.contents(session), **database.facts(session)}


# --- verbs ---------------------------------------------------------------------------------------------------


def dump(data):
    database, to = data.database, data.wish["to"]
    enough_room(os.path.dirname(to), database.size(data.beside), compressed=data.wish.get("compress", True))
    began = time.monotonic()
    with archive.Writer(to, "database." + database.ending) as writer:
        held = database.dump(writer, data.beside, compress=data.wish.get("compress", True))
        manifest = writer.finish({**about(data), **held, **data.wish.get("more", {})})
    rows = sum(manifest["tables"].values())
    say(
        "%d tables, %d rows, %.1f MB in %.1f s"
        % (len(manifest["tables"]), rows, manifest["bytes"] / 1e6, time.monotonic() - began)
    )
    return {"manifest": manifest}


def about(data):
    release = data.project.release
    return {
        "format": 1,
        "site": data.wish.get("site") or os.path.basename(data.wish["dir"]),
        "alias": data.alias,
        "engine": data.database.vendor,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "release": {key: release.get(key) for key in ("number", "build", "config", "source", "commit") if release.get(key)},
        "source": data.project.manifest.get("source"),
    }


def enough_room(folder, size, *, compressed):
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.statvfs(folder)
    free, wanted = found.f_bavail * found.f_frsize, size // 4 if compressed else size
    if free < wanted:
        what = "the disk is full: a dump takes about %.0f MB here, and %.0f MB are free" % (wanted / 1e6, free / 1e6)
        raise RefusedError(what, folder, "free some space, or dump to another place")


def load(data):
    database, name = data.database, data.beside
    with archive.opened(data.wish["file"]) as (manifest, stream):
        if manifest["engine"] != database.vendor:
            hint = "nuages db convert moves a database from one engine to another"
            raise RefusedError("the dump is of %s, and the site uses %s" % (manifest["engine"], database.vendor), "", hint)
        database.make(name)
        try:
            database.load(stream, name, manifest)
        except BaseException:
            database.drop(name)
            raise
    say("%.1f MB loaded into %s" % (manifest["bytes"] / 1e6, os.path.basename(name)))
    return {"name": name}


def check(data):
    """Raises RefusedError with all that is wrong; nothing was changed then."""
    said, found = archive.manifest_of(data.wish["file"]), contents_of(data.database, data.beside)
    wrong = differences(said, found) if said["tables"] is not None else []
    manifest = {**found, **{key: value for key, value in said.items() if value is not None}}
    if data.database.vendor == "postgresql":
        with data.database.session(data.beside) as session:
            wrong += data.database.lagging(session)
    if wrong:
        raise RefusedError(
            "what was loaded is not what the dump held", "\n".join(wrong[:SHOWN]), "the live database is as it was"
        )
    state = fit(data, data.project.ask("state", alias=data.alias, name=data.beside))
    unread = [] if data.wish.get("newer") or data.wish.get("older") else unreadable(data)
    if unread:
        hint = "a key of encrypted fields may be another than it was: nuages config; --newer takes it all the same"
        raise RefusedError("the live release can't read what was loaded", "\n".join(unread[:SHOWN]), hint)
    rows = sum(manifest["tables"].values())
    say("%d tables with %d rows and %d sequences as in the dump" % (len(manifest["tables"]), rows, len(manifest["sequences"])))
    return {"manifest": manifest, "state": state}


def unreadable(data):
    """Models whose first row the release's code can't read in what was loaded, and can in the live database."""
    failed = data.project.ask("check", alias=data.alias, name=data.beside)["failed"]
    if not failed:
        return []
    now = {line.partition(":")[0] for line in data.project.ask("check", alias=data.alias, name="")["failed"]}
    return [line for line in failed if line.partition(":")[0] not in now]


def differences(manifest, found):
    wrong = []
    for table in sorted({*manifest["tables"], *found["tables"]}):
        want, have = manifest["tables"].get(table), found["tables"].get(table)
        if want != have:
            wrong.append(
                "%s: %s rows in the dump, %s loaded" % (table, "no" if want is None else want, "none" if have is None else have)
            )
    for name, want in sorted(manifest["sequences"].items()):
        have = found["sequences"].get(name, 0)
        if (want or 0) > (have or 0):
            wrong.append("sequence %s: %s in the dump, %s loaded" % (name, want, have))
    if manifest["migrations"] != found["migrations"]:
        wrong.append("the migrations that are recorded differ")
    return wrong


def fit(data, state):
    """Can the live release's code live with it? Pending migrations are run on it where that was asked for."""
    if state["wrong"]:
        raise RefusedError("the dump's migrations contradict themselves", state["wrong"])
    if state["newer"] and not data.wish.get("newer"):
        shown = ", ".join(state["newer"][:SHOWN])
        hint = "deploy the code that it belongs to first, or say --newer"
        raise RefusedError("the dump is of newer code than the live release", "applied in it and unknown here: " + shown, hint)
    if not state["pending"] or data.wish.get("older"):
        return state
    if not data.wish.get("migrate"):
        shown = ", ".join(state["pending"][:SHOWN])
        hint = "say --migrate to run them on the restored database before it goes live"
        raise RefusedError("the dump is older than the live release's code", "not applied in it: " + shown, hint)
    say("running %d migrations on it" % len(state["pending"]))
    after = data.project.ask("migrate", alias=data.alias, name=data.beside)
    return {**after, "migrated": state["pending"]}


def swap(data):
    database = data.database
    new, kept = data.beside, database.beside(data.wish["kept"])
    if not database.exists(new):
        raise RefusedError("there is no database %s to take" % os.path.basename(new))
    database.swap(new, kept)
    say("%s is live; what it replaced is kept as %s" % (os.path.basename(new), os.path.basename(kept)))
    return {"kept": os.path.basename(kept)}


def undo(data):
    """A kept database goes live again, checked against the code first, and what was live is kept in its turn."""
    wanted = data.wish.get("name")
    found = [row["name"] for row in data.database.kept() if not row["scratch"]]
    name = wanted or (found[-1] if found else "")
    if name not in found:
        hint = "kept: " + (", ".join(found) or "none")
        raise RefusedError("there is no kept database %s" % wanted if wanted else "no replaced database is kept", "", hint)
    whole = os.path.join(os.path.dirname(data.database.live), name) if data.database.vendor == "sqlite" else name
    data.wish["name"] = whole
    if data.wish.get("only_look"):
        state = fit(data, data.project.ask("state", alias=data.alias, name=whole))
        return {"name": name, "state": state}
    return {**swap(data), "name": name}


def drop(data):
    name = data.beside
    if data.wish.get("name"):
        known = [row["name"] for row in data.database.kept()]
        if name not in known:
            raise RefusedError("there is no kept database %s" % name, "", "kept: " + (", ".join(known) or "none"))
        if data.database.vendor == "sqlite":
            name = os.path.join(os.path.dirname(data.database.live), name)
    if not name or name == data.database.live:
        raise RefusedError("the live database is not dropped")
    data.database.drop(name)
    return {"dropped": os.path.basename(name)}


def facts(data):
    where = data.entry["host"] or ("" if data.entry["vendor"] == "sqlite" else "local socket")
    held = contents_of(data.database, data.beside)
    return {"engine": data.database.vendor, "name": data.database.live, "host": where, "bytes": data.database.size(), **held}


def list_(data):
    base = data.wish["dir"]
    dumps = []
    folder = os.path.join(base, "backups", "dumps")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".tar"):
            path = os.path.join(folder, name)
            dumps.append({"id": name[:-4], "bytes": os.path.getsize(path), "manifest": brief(archive.manifest_of(path))})
    snapshots = os.path.join(base, "snapshots")
    before = [
        {"id": name, "bytes": os.path.getsize(os.path.join(snapshots, name))}
        for name in (sorted(os.listdir(snapshots)) if os.path.isdir(snapshots) else [])
        if not name.endswith(".partial")
    ]
    return {"dumps": dumps, "kept": data.database.kept(), "snapshots": before, "name": os.path.basename(data.database.live)}


def brief(manifest):
    if not manifest:
        return None
    kept = {key: manifest.get(key) for key in ("site", "alias", "engine", "version", "at", "release", "scrubbed", "why")}
    return {**kept, "tables": len(manifest["tables"]), "rows": sum(manifest["tables"].values())}


def read(data):
    return data.project.ask("check", alias=data.alias, name=data.beside)


VERBS = {
    "dump": dump,
    "load": load,
    "check": check,
    "swap": swap,
    "undo": undo,
    "drop": drop,
    "facts": facts,
    "list": list_,
    "read": read,
}


def main():
    wish = wish_of(sys.argv)
    answer = VERBS[wish["verb"]](Data(wish))
    if wish.get("answer"):
        descriptor = os.open(wish["answer"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(answer, file)
    else:
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(told(main))
