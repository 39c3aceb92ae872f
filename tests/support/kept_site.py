"""A site on disk for the keeper: releases of a tiny WSGI (or any) app, driven through `ctl` as a deploy does."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


SOURCE = Path(__file__).parents[2] / "src" / "nuages"

APP = """
import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [("%s %d" % (os.environ["NUAGES_GENERATION"], len(body))).encode()]
"""


class RefusedError(Exception):
    pass


class KeptSite:
    def __init__(self, root, home="one", python=sys.executable):
        self.root = Path(root)
        self.python = str(python)
        self.install(home)
        self.address = ""

    def install(self, home):
        """Another copy of the keeper's files, as an upgrade brings it."""
        self.home = self.root / "keeper" / home
        if not self.home.exists():
            shutil.copytree(SOURCE / "keeper", self.home, ignore=shutil.ignore_patterns("__pycache__"))

    def ctl(self, *arguments, python=sys.executable):
        argv = [python, "-I", "-S", str(self.home / "ctl.py"), str(self.root), *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
        answer = json.loads(done.stdout or "{}")
        if done.returncode:
            raise RefusedError(answer.get("error", done.stderr), answer.get("detail", ""), answer.get("hint", ""))
        return answer

    def ensure(self, listen="127.0.0.1:0"):
        answer = self.ctl("ensure", "--listen", listen)
        self.address = answer["listen"][0]
        return answer

    @property
    def url(self):
        return f"http://{self.address}"

    def write_release(self, name, app=APP, *, interface="wsgi", callable_="shop_entry:application", **policy):
        """A release directory with the runtime, a policy and the project's source."""
        release = self.root / "numbered" / name
        source = release / "source"
        source.mkdir(parents=True)
        (source / "shop_entry.py").write_text(app)
        (release / "runtime").mkdir()
        (release / "runtime" / "nuages_runtime").symlink_to(SOURCE / "runtime")
        values = {
            "version": 1, "site": "shop", "number": 1, "phase": "serve", "project": str(source), "domains": [],
            "bind": "127.0.0.1", "port": 8000, "interface": interface, interface: callable_, "workers": 2,
            "threads": 32, "drain": 10, "trusted_proxies": [], "health": {"path": "/", "expect": "2xx"},
        }  # fmt: skip
        (release / "policy.json").write_text(json.dumps(values | policy))
        return release

    def write_generation(self, name, release, processes=(), *, web=True, env=None, drain=10):
        policy = json.loads((release / "policy.json").read_text())
        runtime = release / "runtime" / "nuages_runtime"
        entry = f"nuages_runtime.{policy['interface']}:application"
        web_process = {
            "name": "web", "kind": "web", "instances": 1, "socket": True, "proof": True, "workers": policy["workers"],
            "argv": [self.python, "-m", "gunicorn", "-c", str(runtime / "gunicorn_conf.py"), entry],
            "cwd": str(release / "source"), "log": str(self.root / "logs" / "web.log"), "drain": drain,
            "start_timeout": 8,
            "env": {
                "PATH": os.environ["PATH"], "NUAGES_RELEASE": str(release), "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": f"{release / 'runtime'}:{release / 'source'}", **(env or {}),
            },
        }  # fmt: skip
        directory = self.root / "run" / "generations" / name
        directory.mkdir(parents=True)
        every = ([web_process] if web else []) + [self.complete(process) for process in processes]
        spec = {"generation": name, "number": 1, "build": "b", "processes": every}
        (directory / "spec.json").write_text(json.dumps(spec))

    def complete(self, process):
        defaults = {"kind": "worker", "instances": 1, "env": {"PATH": os.environ["PATH"]}, "cwd": str(self.root),
                    "log": str(self.root / "logs" / f"{process['name']}.log"), "drain": 5}  # fmt: skip
        return defaults | process

    def deploy(self, name, app=APP, *, processes=(), **options):
        release = self.write_release(name, app, **options)
        self.write_generation(name, release, processes)
        self.bring_live(name)

    def bring_live(self, name):
        self.ctl("start", name)
        self.ctl("prove", name, "--timeout", "40")
        self.ctl("switch", name)

    def get(self, path="/", timeout=10):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
            return response.read().decode()

    def kill(self, which, signum=signal.SIGKILL):
        pid = self.ctl("status")[which]
        os.kill(pid, signum)
        return pid

    def close(self):
        with contextlib.suppress(RefusedError, subprocess.TimeoutExpired):
            self.ctl("down", "--timeout", "20")
        state = self.root / "run" / "state.json"
        for record in json.loads(state.read_text())["generations"].values() if state.exists() else ():
            for process in record["processes"].values():
                if process["group"]:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process["group"], signal.SIGKILL)


def eventually(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
    return value
