"""A pretend OpenSSH on PATH."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from nuages.hosts.ssh import SshTransport
from nuages.topology.model import Host


SUPPORT = Path(__file__).parents[2] / "support"


@dataclass
class FakeSsh:
    folder: Path

    def calls(self):
        """The arguments of each call of ssh so far."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def says(self, *told):
        """What it says on standard error, and its status, in place of connecting; call by call."""
        (self.folder / "says").write_text(json.dumps(list(told)))

    def program(self, name, text):
        path = self.folder / "host" / name
        path.write_text(text)
        path.chmod(0o755)

    def sudo(self, wants):
        """The login is no longer root's; sudo wants `nothing`, a password, or takes none: `never`."""
        self.program("id", "#!/bin/sh\necho 1000\n")
        (self.folder / "sudo").write_text(wants)
        shutil.copy(SUPPORT / "fake_sudo.py", self.folder / "host" / "sudo")
        (self.folder / "host" / "sudo").chmod(0o755)

    def host(self, password=None, **fields):
        return SshTransport(Host("web-1", **fields), sudo_password=password)


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    folder = tmp_path / "ssh"
    (folder / "host").mkdir(parents=True)
    fake = FakeSsh(folder)
    fake.program("id", "#!/bin/sh\necho 0\n")
    client = tmp_path / "client"
    client.mkdir()
    shutil.copy(SUPPORT / "fake_ssh.py", client / "ssh")
    (client / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{client}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_SSH", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("NUAGES_SUDO_PASSWORD", raising=False)
    return fake
