"""A database for one run of a project's tests, and the variables that lead its settings there. Gone afterwards."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nuages.errors import CommandError, PipelineError
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport


ENGINES = {"sqlite": "django.db.backends.sqlite3", "postgresql": "django.db.backends.postgresql"}
# How settings call the parts of an address, as far as a name tells it.
FAMILY = r"(?:^|_)(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG|SQL|RDS|MYSQL)"
PARTS = {
    "url": re.compile(FAMILY + r"(?:_.*)?_?(?:URL|URI|DSN)$"),
    "engine": re.compile(FAMILY + r".*(?:ENGINE|BACKEND|DRIVER)$"),
    "host": re.compile(FAMILY + r".*(?:HOST|HOSTNAME|ADDR|ADDRESS)$"),
    "port": re.compile(FAMILY + r".*PORT$"),
    "user": re.compile(FAMILY + r".*(?:USER|USERNAME)$"),
    "password": re.compile(FAMILY + r".*(?:PASSWORD|PASS|PASSWD|PWD)$"),
    "name": re.compile(FAMILY + r".*(?:NAME|_DB|DATABASE)$"),
}


@dataclass(frozen=True)
class Database:
    """`parts`: url, engine, host, port, user, password, name, as far as there are any."""

    vendor: str
    parts: Mapping[str, str]

    def variables(self, names: Iterable[str]) -> dict[str, str]:
        """For the names that settings read: where the database is."""
        return {name: self.parts[part] for name in names if (part := part_of(name)) and part in self.parts}


def part_of(name: str) -> str:
    return next((part for part, pattern in PARTS.items() if pattern.search(name.upper())), "")


def sqlite(folder: Path) -> Database:
    path = str(folder / "tests.sqlite3")
    return Database("sqlite", {"url": f"sqlite:///{path}", "engine": ENGINES["sqlite"], "name": path})


@contextlib.contextmanager
def postgresql(here: Transport, folder: Path) -> Iterator[Database]:
    """A server of its own on loopback, under a password that nobody else knows. Raises PipelineError where it does not start."""
    programs = postgresql_programs()
    if not programs:
        raise PipelineError(
            "the tests need PostgreSQL, and its programs are not on this machine",
            where="tests",
            hint='sudo apt install postgresql; or tests_database = "sqlite" under [pipeline]',
        )
    password, port, user = secrets.token_hex(16), _free_port(), "tests"
    data, secret = folder / "data", folder / "password"
    secret.write_text(password)
    account = _give_away(folder, secret)
    initdb = (f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C")
    _server(here, account, f"{programs}/initdb", "-D", str(data), "-U", user, *initdb)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c full_page_writes=off"
    _server(here, account, f"{programs}/pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        parts = {"host": "127.0.0.1", "port": str(port), "user": user, "password": password, "name": "postgres"}
        url = f"postgres://{user}:{password}@127.0.0.1:{port}/postgres"
        yield Database("postgresql", {**parts, "url": url, "engine": ENGINES["postgresql"]})
    finally:
        _server(here, account, f"{programs}/pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def postgresql_programs() -> str:
    """The folder that has them; the newest version of Debian's."""
    places = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
    found = [p for p in places if os.path.exists(f"{p}/initdb") and os.path.exists(f"{p}/pg_ctl")]
    return found[-1] if found else ""


def _give_away(*paths: Path) -> tuple[str, ...]:
    """PostgreSQL refuses to run as root: then it runs as the account that its package made. Returns what its commands begin with."""
    if os.geteuid() != 0:
        return ()
    try:
        for path in paths:
            shutil.chown(path, "postgres")
    except LookupError:
        raise PipelineError(
            "PostgreSQL does not run as root, and there is no user postgres", where="tests", hint="run nuages as another user"
        ) from None
    return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")


def _server(here: Transport, account: tuple[str, ...], *argv: str) -> None:
    try:
        here.check(Command((*account, *argv), cwd="/", timeout=120))
    except CommandError as error:
        raise PipelineError("the throw-away PostgreSQL does not start", where="tests", detail=error.detail) from error


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
