"""A project that lives on hosts of the lab: the real command on this machine, the real answers from theirs.

shop = Deployed(tmp_path, web_1, jobs=True)
shop.release()                     # deploys, and tells the number
with shop.traffic() as seen: ...
shop.broken_off(after=3)           # a deploy that is killed when its third step begins
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_project import DOMAIN, lab_project
from lab_traffic import Seen, traffic
from live_site import NUAGES


REFUSED = (1, 75, 77)  # reference/exit-codes.md: an error, somebody holds the lock, a person has to
LONG = 900  # seconds; a first deploy installs PostgreSQL, nginx and Valkey on whatever else this machine does
OURS = ("PYTHONPATH", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "COLUMNS", "CI")


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: dict[str, str]


class Deployed:
    """`more` are lines for the head of nuages.toml, `tables` for its end; what is left are options of `lab_project`."""

    def __init__(
        self,
        folder: Path,
        *hosts: Any,
        name: str = "shop",
        domain: str = DOMAIN,
        more: str = "",
        tables: str = "",
        **project: Any,
    ) -> None:
        self.folder, self.hosts, self.host, self.domain, self.name = folder, hosts, hosts[0], domain, name
        self.home = f"/srv/{name}"
        self.project = lab_project(folder / name, **project)
        self.root = self.project.root
        self.environ: dict[str, str] = {}
        self.told = ""  # by the first deploy
        self.toml(more=more, tables=tables)

    def toml(self, *, more: str = "", tables: str = "") -> None:
        """nuages.toml anew."""
        self.project.serve_on(*self.hosts, more=more, domain=self.domain)
        if tables:
            self.project.write(**{"nuages.toml": (self.root / "nuages.toml").read_text() + tables})

    # --- the command -------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if k not in OURS and not k.startswith(("NUAGES_", "PYTEST_", "COV_"))}
        return env | {"XDG_DATA_HOME": str(self.folder / "state"), "NO_COLOR": "1", **self.environ}

    def nuages(self, *words: object, check: bool = True, said: str = "", timeout: float = LONG, **environ: str) -> Any:
        """`said` is what a person types on standard input."""
        done = subprocess.run(
            [str(NUAGES), *map(str, words)],
            cwd=self.root,
            env=self.environment() | environ,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"nuages {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def started(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        argv = [str(NUAGES), *map(str, words)]
        return subprocess.Popen(
            argv, cwd=self.root, env=self.environment(), text=True, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )

    def release(self, *words: object) -> int:
        """Deploy the project as it is now; the number of its release."""
        events = [json.loads(line) for line in self.nuages("deploy", "--json", *words).stdout.splitlines()]
        return int(next(event for event in events if event["event"] == "live")["release"])

    def bring(self, version: object) -> int:
        self.project.version(version)
        return self.release()

    def refused(self, *words: object, **options: Any) -> str:
        """What a command that must fail says, from its `nuages: ...` on."""
        done = self.nuages(*(words or ("deploy",)), check=False, **options)
        assert done.returncode in REFUSED, (done.returncode, done.stdout + done.stderr)
        lines = done.stderr.splitlines()
        begin = next(i for i, line in enumerate(lines) if line.startswith("nuages: "))
        return "\n".join(lines[begin:])

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.nuages("status", "--json", check=False).stdout)
        return told

    def broken_off(self, after: int, *, whole: bool = True, words: Sequence[str] = ("deploy",)) -> str:
        """Kill it with -9 when its step number `after` begins; `whole`: and the ssh that it started, as a laptop that loses
        its power does. The step's text, or "" where the deploy had fewer steps and came to its end."""
        client = self.started(*words, "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        begun, text = 0, ""
        assert client.stdout
        for line in client.stdout:
            event = json.loads(line)
            begun += event["event"] == "begin"
            if begun == after:
                text = event["text"]
                (os.killpg if whole else os.kill)(client.pid, signal.SIGKILL)
                break
        client.wait(LONG)
        client.stdout.close()
        return text

    def goes_on(self) -> int:
        """The next run, by somebody who first waits for a step that is still under way."""
        deadline = time.monotonic() + 300
        while True:
            done = self.nuages("deploy", "--json", check=False)
            if done.returncode == 0:
                return int(json.loads(done.stdout.splitlines()[-1])["release"])
            waits = "being carried out on the host" in done.stdout + done.stderr
            assert waits, done.stdout[-2000:] + done.stderr
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.5)

    # --- on the host -------------------------------------------------------------------------------------

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.host.must(f"cat {self.home}/journal.jsonl").splitlines()]

    def left_over(self) -> dict[str, Any]:
        """What a deploy that came to its end leaves nothing of; all values are empty then."""
        told = self.host.must(
            f"cd {self.home}; ls run/generations /run/nuages-{self.name}; echo --; "
            "find releases numbered venvs store shared/static config snapshots -name '*.partial*' -o -name '.new-*' -o -name '*.tmp'; "
            f"echo --; ls -d lock.json unfinished.json shared/maintenance 2>/dev/null; echo --; readlink run/web.sock live current; echo --; "
            f"ls numbered; echo --; systemctl list-units --plain --no-legend --state=active '{self.name}-*@*.service'"
        )
        generations, partial, locks, links, numbered, units = (part.split("\n") for part in told.split("--\n"))
        socket_of, live, _current = links[:3]
        serving = socket_of.split("/")[3]
        number = int(live.rpartition("v")[2])
        return {
            "generations": sorted({name for name in generations if re.fullmatch(r"v\d+-[0-9a-f]+", name)} - {serving}),
            "partial": [path for path in partial if path],
            "locks": [path for path in locks if path],
            "releases": [name for name in numbered if name and int(name[1:]) > number],
            "units": [line.split()[0] for line in units if line and f"@{serving}." not in line],
            "elsewhere": [] if serving.startswith(f"v{number}-") else [serving, live],
        }

    def in_order(self) -> None:
        left = self.left_over()
        assert not any(left.values()), left

    # --- as a visitor ------------------------------------------------------------------------------------

    @property
    def ca(self) -> Path:
        """Of each host: every one has an authority of its own."""
        path = self.folder / "ca.pem"
        if not path.exists():
            path.write_text("".join(host.must(f"cat {self.home}/certificates/authority/ca.pem") for host in self.hosts))
        return path

    @property
    def url(self) -> str:
        return f"https://{self.host.address}"

    def traffic(self, **options: Any) -> contextlib.AbstractContextManager[Seen]:
        return traffic(self.url, host=self.domain, ca=self.ca, **options)

    def get(self, path: str = "/", data: dict[str, object] | None = None, *, host: Any = None, timeout: float = 30) -> Answer:
        connection = Connection((host or self.host).address, self.domain, self.ca, timeout)
        try:
            body = urllib.parse.urlencode(data).encode() if data is not None else None
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
            connection.request("GET" if body is None else "POST", path, body, form)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, answer.read().decode(errors="replace"), headers)
        finally:
            connection.close()

    def version(self) -> str:
        answer = self.get("/version")
        assert answer.status == 200, answer
        return answer.body


class Connection(http.client.HTTPSConnection):
    """To an address, asking for a name."""

    def __init__(self, address: str, name: str, ca: Path, timeout: float) -> None:
        super().__init__(name, timeout=timeout, context=ssl.create_default_context(cafile=str(ca)))
        self.address, self.name = address, name

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, 443), self.timeout)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.name)  # type: ignore[attr-defined]


def eventually(condition: Callable[[], Any], within: float = 60) -> Any:
    """Wait for something that happens on a host; what it throws meanwhile is no answer yet."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            if value := condition():
                return value
        assert time.monotonic() < deadline, f"did not come true within {within} s"
        time.sleep(0.3)


CRON = """
[[cron]]
name = "tidy"
command = "sh -c 'date +%s >> /srv/shop/shared/data/tidied'"
at = "* * * * *"
"""
SHOP: dict[str, Any] = {"jobs": True, "more": "keep = 3", "tables": CRON}


def shop_of(lab: Any, folder: Path) -> Deployed:
    """The shop that stories share, on a host with a disk of its own, just deployed for the first time."""
    (host,) = lab.up("shop-1", disk="4G")
    return first(Deployed(folder, host, **SHOP))


def first(shop: Deployed) -> Deployed:
    shop.told = shop.nuages("deploy").stdout
    return shop
