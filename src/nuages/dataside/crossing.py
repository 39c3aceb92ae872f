"""crossing.py WISH: rows of one engine into a database of another. WISH takes "dir", "account", "alias" and a verb:

  {"verb": "look"}                      what of the live database PostgreSQL would refuse, and how much there is to move
  {"verb": "fence", "up": true}         the live database takes no more writes; "up": false takes that back
  {"verb": "aside", "number": N, "kept": WORD}   an earlier database under the name that is wanted is kept under another
  {"verb": "move", "number": N}         from the live release's database into that of release N, which is not live yet
  {"verb": "mail"}                      does the live release, which should be quiet, keep its mail?
  {"verb": "load", "file": PATH}        an archive of SQLite into <db>-restore of the live release's PostgreSQL

The rows are compared before any of these says that it is done.
"""

import contextlib
import json
import os
import pwd
import shutil
import sys
import tempfile


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import archive
import databases
import inside
from project import Project, read
from refusal import RefusedError, say, told, wish_of


class Coming(Project):
    """A numbered release that is not live yet."""

    def __init__(self, folder, account, number):
        self.folder, self.account = folder, account
        self.number = os.path.join(folder, "numbered", "v%d" % number)
        self.release = read(os.path.join(self.number, "release.json"))
        self.build = os.path.join(folder, "releases", self.release["build"])
        self.manifest = read(os.path.join(self.build, "manifest.json"))


def live_of(wish):
    return Project(wish["dir"], wish.get("account", ""))


def look(wish):
    return inside.ask(live_of(wish), inside.ACROSS, {"verb": "look", "alias": wish["alias"], "source": {}}, say)


def fence(wish):
    answer = inside.ask(live_of(wish), inside.FENCE, {"alias": wish["alias"], "up": wish["up"]}, say)
    say("%d tables take no more writes" % answer["fenced"] if wish["up"] else "writes are taken again")
    return answer


def aside(wish):
    """What lies under the new database's name was somebody's: it is kept, and an empty one takes its place."""
    database = target_of(wish)
    if database.vendor != "postgresql":
        raise RefusedError("rows are moved to PostgreSQL only", "the new release's database is %s" % database.vendor)
    with database.session() as session:
        held = database.contents(session)["tables"]
    if not held:
        return {"kept": ""}
    kept = database.beside(wish["kept"])
    database.make(database.beside("copy"))
    database.swap(database.beside("copy"), kept)
    say("what was in it is kept as %s" % kept)
    return {"kept": kept}


def target_of(wish):
    coming = Coming(wish["dir"], wish.get("account", ""), wish["number"])
    entry = coming.databases().get(wish["alias"])
    if entry is None:
        raise RefusedError("the new release has no database called %s" % wish["alias"])
    return databases.engine_of(entry, wish.get("account", ""))


def move(wish):
    source = live_of(wish).ask("databases")["databases"][wish["alias"]]
    coming = Coming(wish["dir"], wish.get("account", ""), wish["number"])
    asked = {"verb": "copy", "alias": wish["alias"], "source": source_of(source), "target": {}}
    answer = inside.ask(coming, inside.ACROSS, asked, say)
    if answer["left"]:
        say("not moved, for no model and no migration names them: " + ", ".join(answer["left"]))
    return answer


def source_of(entry):
    """The live database as a setting of the new release."""
    if entry["vendor"] == "sqlite":
        return {"sqlite": entry["name"]}
    if entry["vendor"] != "mysql":
        raise RefusedError("rows of %s are not moved" % entry["vendor"])
    names = ("engine", "name", "host", "port", "user", "password", "options", "time_zone")
    return {"entry": {name.upper(): entry[name] for name in names}}


def load(wish):
    """Where the archive's engine is not the site's."""
    data = databases.Data(wish)
    name = data.database.beside("restore")
    with archive.opened(wish["file"]) as (manifest, stream):
        if (manifest["engine"], data.database.vendor) != ("sqlite", "postgresql"):
            raise RefusedError("rows of %s are not put into %s" % (manifest["engine"], data.database.vendor))
        with readable(stream, data.project.account) as path:
            data.database.make(name)
            try:
                prepare(data, path, wish)
                asked = {"verb": "copy", "alias": data.alias, "source": {"sqlite": path}, "target": {"name": name}}
                answer = inside.ask(data.project, inside.ACROSS, asked, say)
            except BaseException:
                data.database.drop(name)
                raise
    return {"manifest": manifest, **answer}


def prepare(data, path, wish):
    """A file of older code gets the migrations that it lacks, where that is wanted."""
    if wish.get("migrate"):
        inside.ask(data.project, inside.ACROSS, {"verb": "migrate", "alias": data.alias, "source": {"sqlite": path}}, say)


@contextlib.contextmanager
def readable(stream, account):
    """A file of the account's own, as long as it is needed: SQLite wants to write beside what it reads."""
    folder = tempfile.mkdtemp(prefix="nuages-load-", dir="/var/tmp")
    try:
        path = os.path.join(folder, "it.sqlite3")
        with open(path, "wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        if account and os.geteuid() == 0:
            found = pwd.getpwnam(account)
            for each in (path, folder):
                os.chown(each, found.pw_uid, found.pw_gid)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mail(wish):
    """Raises RefusedError unless the live release keeps all its mail."""
    backends = inside.ask(live_of(wish), ["mail_backends"], {}, say)["backends"]
    loud = sorted({name for name in backends if not name.endswith(("filebased.EmailBackend", "dummy.EmailBackend"))})
    if loud:
        hint = "its release was built by an older Nuages: deploy it once, and run the same command again"
        raise RefusedError("the site would still send mail: " + ", ".join(loud), "", hint)
    return {"backends": backends}


VERBS = {"mail": mail, "look": look, "fence": fence, "aside": aside, "move": move, "load": load}


def main():
    wish = wish_of(sys.argv)
    wish.setdefault("alias", "default")
    answer = VERBS[wish["verb"]](wish)
    if wish.get("answer"):
        with os.fdopen(os.open(wish["answer"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(answer, file)
    else:
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(told(main))
