"""Projects in a folder of the benchmark's own, brought up by Nuages in a data directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from measuring import FailedError, Run, timed


ROOT = Path(__file__).parent.parent
NUAGES = os.environ.get("NUAGES") or str(Path(sys.executable).with_name("nuages"))
PATIENCE = 60


@dataclass(frozen=True)
class Site:
    """A project's folder and the port that it is served at."""

    folder: Path
    data: Path
    port: int

    def nuages(self, *words: str) -> Run:
        return timed((NUAGES, "-C", str(self.folder), *words), cwd=self.folder, env=environment(XDG_DATA_HOME=str(self.data)))

    def ask(self, *words: str) -> dict:
        env = environment(XDG_DATA_HOME=str(self.data))
        done = subprocess.run((NUAGES, "-C", str(self.folder), *words, "--json"), env=env, capture_output=True, check=True)
        return json.loads(done.stdout)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://localhost:{self.port}{path}", timeout=5) as answer:
            return answer.read()

    def release(self) -> int:
        return json.loads(self.get("/-/live"))["release"]

    @property
    def environment(self) -> Path:
        """The virtual environment of its live release."""
        (found,) = (self.data / "nuages" / self.folder.name / "venvs").glob("[!.]*")
        return found

    def pids(self) -> list[int]:
        return [p["pid"] for g in self.ask("ps").values() for p in g["processes"] if p["kind"] == "web"]

    def end(self) -> None:
        with suppress(FailedError):
            self.nuages("down")


def environment(**more: str) -> dict[str, str]:
    """Without what an activated environment or a Django shell leaves behind. Bytecode is kept, as for everybody."""
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if k not in unwanted} | more


def example(folder: Path) -> Path:
    """The example of this repository."""
    shutil.copytree(
        ROOT / "examples" / "library", folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3", "nuages.toml")
    )
    return folder


def startproject(folder: Path) -> Path:
    """What `django-admin startproject` writes, with a requirements file."""
    folder.mkdir(parents=True)
    subprocess.run((sys.executable, "-m", "django", "startproject", "plain", str(folder)), check=True, env=environment())
    (folder / "requirements.txt").write_text("Django>=5.2,<5.3\n")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def site(folder: Path, data: Path, more: str = "") -> Site:
    """A nuages.toml with a free port makes it a site; a port in use on this machine is left alone."""
    port = free_port()
    (folder / "nuages.toml").write_text(f"port = {port}\n{more}")
    return Site(folder, data, port)


def wait_for_answer(port: int, path: str = "/", headers: Mapping[str, str] | None = None) -> None:
    """Any answer counts: a plain startproject has no page of its own, and says 404."""
    deadline = time.monotonic() + PATIENCE
    request = urllib.request.Request(f"http://localhost:{port}{path}", headers=dict(headers or {}))
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).read()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise FailedError(f"nothing answers on port {port}") from None
            time.sleep(0.01)
        else:
            return


def end_process(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
