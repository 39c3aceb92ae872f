"""A PostgreSQL database: dumped with what it held, loaded beside itself, swapped by its name.

On a server the cluster is the site's own: what makes and renames databases is done as `postgres`, which the local socket
lets in. Elsewhere it is done as the site's own role, which must be allowed to (ALTER ROLE ... CREATEDB).
"""

import contextlib
import json
import os
import re
import subprocess
import threading

from refusal import RefusedError, run, start, tail


LONGEST_NAME = 63  # NAMEDATALEN of PostgreSQL is 64
SSL = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "service": "PGSERVICE",
    "passfile": "PGPASSFILE",
}
TABLES = (
    "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' "
    "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') "
    "ORDER BY 1, 2"
)
SEQUENCES = "SELECT schemaname AS schema, sequencename AS name, last_value AS last FROM pg_sequences ORDER BY 1, 2"
OWNED = (
    "SELECT n.nspname AS schema, t.relname AS tab, a.attname AS col, s.relname AS name FROM pg_class s "
    "JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass "
    "AND d.deptype IN ('a', 'i') JOIN pg_class t ON t.oid = d.refobjid "
    "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid JOIN pg_namespace n ON n.oid = s.relnamespace "
    "WHERE s.relkind = 'S' ORDER BY 1, 4"
)
SCRATCH = ("restore", "verify", "scrub", "copy")
TRIES = 40  # of a swap: somebody connects again between our ending his connection and the rename


def name(identifier):
    return '"' + identifier.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"


class Postgres:
    """One database of `entry` (as Django's settings have it). `account`: the system's user that the site runs as."""

    vendor, ending = "postgresql", "dump"

    def __init__(self, entry, account=""):
        self.entry, self.account, self.live = entry, account, entry["name"]
        host = entry["host"]
        self.local = not host or host.startswith("/")
        self.admin = "postgres" if account and os.geteuid() == 0 and self.local else ""

    # --- speaking to it --------------------------------------------------------------------------------------

    def _as(self, *, admin):
        return self.admin if admin and self.admin else self.account

    def _environment(self, database, *, admin=False):
        entry, found = self.entry, {"PGDATABASE": database, "PGCONNECT_TIMEOUT": "10", "PGCLIENTENCODING": "UTF8"}
        pairs = [("PGHOST", entry["host"]), ("PGPORT", entry["port"])]
        if not (admin and self.admin):
            pairs += [("PGUSER", entry["user"]), ("PGPASSWORD", entry["password"])]
        pairs += [(SSL[key], str(value)) for key, value in entry["options"].items() if key in SSL]
        found.update({key: value for key, value in pairs if value})
        return found

    def _home(self):
        """Where statements go that no connection to the database itself may be open for."""
        return "postgres"

    def session(self, database=""):
        return Session(self.account, self._environment(database or self.live))

    def order(self, *statements, database=""):
        """As administrator. Each statement by itself, and never in a transaction that it did not open."""
        sent = [word for statement in statements for word in ("-c", statement)]
        argv = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *sent]
        try:
            return run(argv, self._as(admin=True), self._environment(database or self._home(), admin=True))
        except RefusedError as error:
            raise self._explained(error) from None

    def _explained(self, error):
        if "permission denied" in error.detail and not self.admin:
            hint = "a superuser allows it: ALTER ROLE %s CREATEDB" % name(self.entry["user"] or "...")
            return RefusedError("the site's role may not make a database beside its own", error.detail, hint)
        return RefusedError("PostgreSQL refused", error.detail)

    def question(self, query, database=""):
        """Rows as objects, asked as administrator."""
        wrapped = "SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM (%s) q" % query
        argv = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", wrapped]
        try:
            return json.loads(run(argv, self._as(admin=True), self._environment(database or self._home(), admin=True)))
        except RefusedError as error:
            raise RefusedError("PostgreSQL does not answer", error.detail) from None

    # --- what is in it -----------------------------------------------------------------------------------------

    def size(self, database=""):
        rows = self.question("SELECT pg_database_size(%s) AS size" % text(database or self.live))
        return int(rows[0]["size"])

    def contents(self, session):
        """Rows of each table, where the sequences are, which migrations are recorded."""
        tables = {}
        for row in session.ask(TABLES):
            place = "%s.%s" % (name(row["schema"]), name(row["name"]))
            tables["%s.%s" % (row["schema"], row["name"])] = session.ask("SELECT count(*) AS n FROM %s" % place)[0]["n"]
        migrations = []
        if any(table.endswith(".django_migrations") for table in tables):
            migrations = [[r["app"], r["name"]] for r in session.ask("SELECT app, name FROM django_migrations ORDER BY id")]
        return {"tables": tables, "sequences": self.sequences(session), "migrations": migrations}

    def sequences(self, session):
        return {"%s.%s" % (row["schema"], row["name"]): row["last"] for row in session.ask(SEQUENCES)}

    def facts(self, session):
        extensions = [r["extname"] for r in session.ask("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1")]
        version = session.ask("SELECT current_setting('server_version') AS v")[0]["v"]
        return {"version": version, "extensions": extensions}

    def dump(self, out, database="", *, compress=True):
        """Pour the dump into `out` (archive.Writer); what it holds, as seen by the very same snapshot. Sequences are of no
        snapshot and only grow: read before pg_dump reads them, they are the least that it must have found."""
        database = database or self.live
        with self.session(database) as session:
            session.tell("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = session.ask("SELECT pg_export_snapshot() AS id")[0]["id"]
            sequences = self.sequences(session)
            argv = ["pg_dump", "--format=custom", "--no-password", "--snapshot=" + snapshot]
            argv.append(self._compression() if compress else "--compress=0")
            child = start(argv, self.account, self._environment(database), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            pouring = threading.Thread(target=out.take, args=(child.stdout,), daemon=True)
            child.stdout = None
            pouring.start()
            try:
                contents = {**self.contents(session), **self.facts(session), "sequences": sequences}
                errors = child.communicate()[1]
            except BaseException:
                child.kill()
                raise
            pouring.join()
        if child.returncode and not out.failed:
            raise RefusedError("pg_dump failed", tail(errors))
        return contents

    def _compression(self):
        """Measured on 600 MB: zstd takes 0.8 s of a processor, zlib 2.7 s, zlib as it is by default 7.4 s; sizes are alike."""
        said = run(["pg_dump", "--version"], self.account)
        version = re.search(r"\) (\d+)", said)
        return "--compress=zstd:1" if version and int(version.group(1)) >= 16 else "--compress=1"

    # --- beside itself -----------------------------------------------------------------------------------------

    def beside(self, word):
        """The name of another database of the site: `shop.restore` meanwhile, `shop-before-20261125-163000` to stay. The dot: a
        site may be called shop-restore, and none can have a dot in its name."""
        sign = "-" if word.startswith("before-") else "."
        return self.live[: LONGEST_NAME - len(word) - 1] + sign + word

    def make(self, database):
        """Empty, with the manners of the live one: owner, encoding, collation, settings of its own."""
        row = self.question(
            "SELECT pg_encoding_to_char(encoding) AS e, datcollate AS c, datctype AS t, pg_get_userbyid(datdba) AS o "
            "FROM pg_database WHERE datname = %s" % text(self.live)
        )[0]
        made = "CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s OWNER %s"
        self.drop(database)
        self.order(made % (name(database), text(row["e"]), text(row["c"]), text(row["t"]), name(row["o"])))
        rules = ["REVOKE ALL ON DATABASE %s FROM PUBLIC" % name(database)]
        settings = self.question(
            "SELECT unnest(setconfig) AS s FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
            "WHERE d.datname = %s AND s.setrole = 0" % text(self.live)
        )
        for row in settings:
            key, _equals, value = row["s"].partition("=")
            rules.append("ALTER DATABASE %s SET %s = %s" % (name(database), name(key), text(value)))
        self.order(*rules)

    def load(self, stream, database, manifest):
        """Fill a database that `make` made from a dump. `stream` is a binary file, read from where it stands, twice."""
        begin = stream.tell()
        listed = self._pg_restore(stream, ["--list"], database)
        for extension in re.findall(r"^\d+; \d+ \d+ EXTENSION - (\S+)", listed, re.MULTILINE):  # some only a superuser may make
            self.order("CREATE EXTENSION IF NOT EXISTS %s" % name(extension), database=database)
        kept = [line for line in listed.splitlines() if not re.match(r"\d+; \d+ \d+ (EXTENSION|COMMENT - EXTENSION) ", line)]
        stream.seek(begin)
        argv = ["--no-owner", "--no-acl", "--exit-on-error", "--dbname", database, "--use-list", "/dev/fd/%d"]
        with _in_memory("\n".join(kept) + "\n") as listing:
            argv[-1] %= listing
            self._pg_restore(stream, argv, database, listing)

    def _pg_restore(self, stream, argv, database, listing=-1):
        child = start(
            ["pg_restore", *argv],
            self.account,
            self._environment(database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(listing,) if listing >= 0 else (),
        )
        feeder = threading.Thread(target=_feed, args=(stream, child.stdin), daemon=True)
        child.stdin = None  # the thread's now: `communicate` would close it
        feeder.start()
        out, errors = child.communicate()
        feeder.join()
        if child.returncode:
            raise RefusedError(
                "pg_restore could not read the dump" if listing < 0 else "the dump could not be loaded", tail(errors)
            )
        return out.decode("utf-8", "replace")

    def lagging(self, session):
        """Sequences that would give out a number that is taken: a row was copied, its sequence was not."""
        found = []
        for row in session.ask(OWNED):
            place, column = "%s.%s" % (name(row["schema"]), name(row["tab"])), name(row["col"])
            last = "%s.%s" % (name(row["schema"]), name(row["name"]))
            query = "SELECT (SELECT max(%s) FROM %s) AS top, last_value AS last, is_called AS called FROM %s"
            told = session.ask(query % (column, place, last))[0]
            if told["top"] is not None and told["top"] > (told["last"] if told["called"] else told["last"] - 1):
                found.append(
                    "%s stands at %s, and %s.%s at %s" % (row["name"], told["last"], row["tab"], row["col"], told["top"])
                )
        return found

    def swap(self, new, kept):
        """`new` takes the live one's name, which is kept as `kept`: two renames in one transaction, so both or none."""
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (%s, %s) AND pid <> pg_backend_pid()"
        names = text(self.live), text(new)
        renames = "ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s RENAME TO %s" % (
            name(self.live), name(kept), name(new), name(self.live),
        )  # fmt: skip
        for attempt in range(1, TRIES + 1):
            try:
                self.order(end % names, "BEGIN; SET LOCAL lock_timeout = '5s'; %s; COMMIT" % renames)
                return
            except RefusedError as error:
                if attempt == TRIES or not ("being accessed" in error.detail or "lock timeout" in error.detail):
                    raise

    def drop(self, database):
        """With whoever is connected to it. FORCE came with PostgreSQL 13."""
        self.order("DROP DATABASE IF EXISTS %s WITH (FORCE)" % name(database))

    def exists(self, database):
        return bool(self.question("SELECT 1 AS n FROM pg_database WHERE datname = %s" % text(database)))

    def kept(self):
        """Databases beside the live one that were made here: [{"name", "bytes", "scratch"}]."""
        rows = self.question("SELECT datname AS name, pg_database_size(oid) AS bytes FROM pg_database ORDER BY 1")
        return [{**row, "scratch": word in SCRATCH} for row in rows if (word := self._word_of(row["name"]))]

    def _word_of(self, database):
        """What was added to the live one's name, or "": `shop-staging-before-...` is of another site."""
        found = re.search(r"-(before-\d{8}-\d{6})\Z|\.(%s)\Z" % "|".join(SCRATCH), database)
        word = (found.group(1) or found.group(2)) if found else ""
        return word if word and self.beside(word) == database else ""


class Session:
    """One connection that stays open: psql, spoken to over its pipes."""

    def __init__(self, account, env):
        pipe = subprocess.PIPE
        argv = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
        self.child = start(argv, account, env, stdin=pipe, stdout=pipe, stderr=pipe)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        self.child.stdout.close()
        self.child.stderr.close()
        self.child.wait(10)

    def tell(self, statement):
        return self._lines(statement)

    def ask(self, query):
        return json.loads("\n".join(self._lines("SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM (%s) q" % query)))

    def _lines(self, statement):
        with contextlib.suppress(OSError):
            self.child.stdin.write((statement + ";\n\\echo \x1e\n").encode())
            self.child.stdin.flush()
        lines = []
        for raw in self.child.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line == "\x1e":
                return lines
            lines.append(line)
        raise RefusedError("PostgreSQL does not answer", tail(self.child.stderr.read()))


def _feed(stream, pipe):
    with contextlib.suppress(OSError), pipe:
        while True:
            chunk = stream.read(1 << 20)
            if not chunk:
                break
            pipe.write(chunk)


@contextlib.contextmanager
def _in_memory(content):
    """A file without a name, handed over open."""
    descriptor = os.memfd_create("listing") if hasattr(os, "memfd_create") else _nameless()
    try:
        os.write(descriptor, content.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _nameless():
    import tempfile

    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor
