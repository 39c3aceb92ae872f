"""A MariaDB server of the test's own: loopback, a free port, gone afterwards. Skips where there is none."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


PASSWORD = "of the site"
SECONDS = 30


@dataclass(frozen=True)
class Server:
    port: int
    socket: Path

    def sql(self, text: str, database: str = "") -> str:
        """As the server's root."""
        argv = [
            "mariadb",
            "--no-defaults",
            "-N",
            "-B",
            "-u",
            "root",
            "-S",
            str(self.socket),
            "-e",
            text,
            *filter(None, [database]),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self, name: str, rights: str = "ALL") -> str:
        """Its address, for a user of its own."""
        self.sql(
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4; CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; "
            f"GRANT {rights} ON {name}.* TO {name}@'127.0.0.1'"
        )
        return f"mysql://{name}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{name}?charset=utf8mb4"


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    program = shutil.which("mariadbd") or ("/usr/sbin/mariadbd" if os.path.exists("/usr/sbin/mariadbd") else None)
    if not program or not shutil.which("mariadb-install-db"):
        pytest.skip("no MariaDB server is installed on this machine (apt install mariadb-server)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="nuages-my-"))
    data, door = folder / "data", folder / "socket"
    user = ["--user=mysql"] if os.getuid() == 0 else []
    if user:
        folder.chmod(0o755)
        shutil.chown(folder, "mysql", "mysql")
    made = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]
    done = subprocess.run([*made, *user], capture_output=True, text=True, check=False, cwd="/")
    try:
        if done.returncode:
            pytest.skip(f"MariaDB does not start here: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        words = [f"--datadir={data}", f"--socket={door}", f"--port={port}", "--bind-address=127.0.0.1", "--skip-log-bin"]
        light = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", f"--pid-file={folder / 'pid'}"]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen([program, "--no-defaults", *words, *light, *user], stdout=log, stderr=log, cwd="/") as server,
        ):
            try:
                wait_for(door, server, folder / "log")
                yield Server(port, door)
            finally:
                server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(door: Path, server: subprocess.Popen, log: Path) -> None:
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as knock:
            knock.connect(str(door))
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    pytest.skip(f"MariaDB does not start here: {log.read_text().strip().splitlines()[-1]}")
