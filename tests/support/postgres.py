"""A PostgreSQL server of the test's own: loopback, a free port, trust, gone afterwards. Skips where there is none."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    port: int
    python: str  # an interpreter with Django and psycopg

    def database(self, name: str) -> dict[str, object]:
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.settings(name)

    def settings(self, name: str, user: str = "postgres") -> dict[str, object]:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": user,
            "HOST": "127.0.0.1",
            "PORT": self.port,
        }

    def sql(self, database: str, text: str) -> str:
        argv = [
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "postgres",
            "-c",
            text,
            database,
        ]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    bin_dir = find_binaries()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="nuages-pg-"))
    user = become_user(folder)
    try:
        python = interpreter(folder / "python")
        run(
            [
                str(bin_dir / "initdb"),
                "-D",
                str(folder / "data"),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
            ],
            user,
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run(
            [
                str(bin_dir / "pg_ctl"),
                "-D",
                str(folder / "data"),
                "-l",
                str(folder / "log"),
                "-w",
                "-o",
                options,
                "start",
            ],
            user,
        )
        try:
            yield Server(port, python)
        finally:
            run([str(bin_dir / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path:
    places = [*sorted(glob.glob("/usr/lib/postgresql/*/bin")), *os.environ["PATH"].split(os.pathsep)]
    for place in reversed(places):
        if os.path.exists(os.path.join(place, "initdb")) and os.path.exists(os.path.join(place, "pg_ctl")):
            return Path(place)
    pytest.skip("no PostgreSQL server is installed on this machine (apt install postgresql)")


def become_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: the tests of a root user run it as postgres."""
    if os.getuid() != 0:
        return None
    folder.chmod(0o755)
    shutil.chown(folder, "postgres", "postgres")
    return "postgres"


def run(argv: list[str], user: str | None) -> None:
    result = subprocess.run(argv, user=user, capture_output=True, text=True, cwd="/", check=False)
    if result.returncode:
        pytest.skip(f"PostgreSQL does not start here: {(result.stderr or result.stdout).strip().splitlines()[-1]}")


def interpreter(venv: Path) -> str:
    import django

    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    wanted = f"django=={django.get_version()}"
    python = str(venv / "bin" / "python")
    for argv in (
        [uv, "venv", "-q", "--python", sys.executable, str(venv)],
        [uv, "pip", "install", "-q", "--python", python, wanted, "psycopg[binary]>=3.1"],
    ):
        if subprocess.run(argv, check=False, capture_output=True).returncode:
            pytest.skip("psycopg can't be installed here (is the package index reachable?)")
    return python
