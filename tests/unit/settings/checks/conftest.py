"""A project of a few files, as the checks see it."""

import subprocess
from datetime import date

import pytest

from nuages.environments.model import Environment, Lock, Python, Requirements
from nuages.hosts.local import LocalTransport
from nuages.project.model import Files, Probe, Project
from nuages.settings.checks.audit import RAN, run_checks
from nuages.topology.model import Topology


TODAY = date(2026, 11, 20)


class Site:
    """Write files, then ask for the findings."""

    def __init__(self, root):
        self.root = root
        self.python, self.django, self.locked = "3.13.0", "5.2.1", "project"
        self.checks, self.audit, self.readback, self.written = (), ({"id": RAN},), (), ()
        self.interface = "wsgi"
        self.topology, self.today, self.live, self.pending, self.deep = {}, TODAY, None, (), False
        self.write("manage.py", "")
        self.write("shop/settings.py", "SECRET_KEY = read()\n")

    def write(self, path, text):
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def git(self, *argv):
        name = ("-c", "user.name=a", "-c", "user.email=a@shop.example", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *name, *argv], cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self):
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a step")
        return self.git("rev-parse", "HEAD")

    @property
    def project(self):
        files = Files(
            self.root,
            "manage.py",
            "shop.settings",
            (),
            "",
            "",
            Requirements("requirements.txt", ("requirements.txt",)),
            (),
            (),
        )
        python = Python(self.python, "python3")
        probe = Probe(
            self.django,
            self.python,
            "shop.settings",
            (),
            self.readback,
            {},
            (),
            self.written,
            self.checks,
            self.audit,
        )
        return Project(files, Environment("env", "key", python, Lock("", "", self.locked, python)), probe, (), self.interface)

    def findings(self):
        topology = Topology(self.root, "shop", **self.topology)
        return run_checks(self.project, topology, root=self.root, here=LocalTransport(), today=self.today,
                          live=self.live, pending=self.pending, deep=self.deep)  # fmt: skip

    def found(self, check_id):
        return [f for f in self.findings() if f.id == check_id]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)
