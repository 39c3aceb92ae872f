"""Three ways from a bare host to the library over HTTPS: Nuages, an Ansible playbook, a pyinfra deploy.

Each has a checkout of the example, hosts of its own, and the same packages, wheels and lists cached. The playbook and the
deploy are in bench/peers; they are run as their documentation recommends for speed (pipelining, shared connections).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from measuring import FailedError
from server_costs import Cost, Meter
from sites import NUAGES, ROOT, environment, example
from throughput import measured_project
from uv import find_uv_bin

from nuages.lab import LabHost


PEERS = ROOT / "bench" / "peers"
TOOLS = ROOT / ".tools" / "bench"
SITE, DOMAIN = "library", "library.example"
PIP_CACHE = "/var/cache/nuages-lab/pip"  # in every host of a lab


class Way:
    name: ClassVar[str]
    edited: ClassVar[str] = "catalog/views.py"
    link: ClassVar[str]  # on the host, to the socket of the live release: it changes when traffic does

    def __init__(self, folder: Path, hosts: Sequence[LabHost]) -> None:
        self.folder, self.hosts = folder, list(hosts)
        self.project = self.make_project(folder / SITE)
        self.meter = Meter(self.name, hosts)
        self.git("init", "--quiet")
        self.edit(0)

    def make_project(self, folder: Path) -> Path:
        return example(folder)

    def deploy(self) -> Cost:
        raise NotImplementedError

    def authority(self) -> Path:
        """The certificate that signs the site's, on this machine."""
        raise NotImplementedError

    def edit(self, number: int) -> None:
        """One view changes, as in everyday work."""
        with (self.project / self.edited).open("a") as file:
            file.write(f"\n# round {number}\n")
        self.git("add", "--all")
        self.git("-c", "user.name=bench", "-c", "user.email=bench@library.example", "commit", "--quiet", "-m", f"round {number}")

    def git(self, *words: str) -> None:
        subprocess.run(("git", *words), cwd=self.project, check=True, env=environment())

    def switched(self) -> list[str]:
        return [os.readlink(path) if os.path.islink(path := on_disk(host, self.link)) else "" for host in self.hosts]

    def check(self) -> None:
        """Every host answers over HTTPS with a certificate that verifies."""
        for host in self.hosts:
            answer = https(host.address, "/", self.authority())
            if not answer.startswith(b"HTTP/1.1 200"):
                raise FailedError(f"{self.name}, {host.name}: {answer[:200]!r}")

    def close(self) -> None:
        self.meter.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nuages(Way):
    name = "nuages"
    link = f"/srv/{SITE}/run/web.sock"
    services: ClassVar[str] = ""  # lines of that table

    def __init__(self, folder: Path, hosts: Sequence[LabHost]) -> None:
        super().__init__(folder, hosts)
        (self.project / "Procfile").unlink(missing_ok=True)  # the peers run no worker
        (self.project / "nuages.toml").write_text(declared(hosts, self.services))
        self.edit(0)

    def deploy(self) -> Cost:
        env = environment(XDG_DATA_HOME=str(self.folder / "data"), NO_COLOR="1")
        return self.meter.run((NUAGES, "-C", str(self.project), "deploy"), cwd=self.folder, env=env)

    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def check(self) -> None:
        from nuages.components.certificates.seen import authority_path
        from nuages.release.layout import server_site

        for host in self.hosts:  # each has an authority of its own
            shutil.copy(on_disk(host, str(authority_path(server_site(SITE)))), self.authority())
            answer = https(host.address, "/", self.authority())
            if not answer.startswith(b"HTTP/1.1 200"):
                raise FailedError(f"{self.name}, {host.name}: {answer[:200]!r}")


class Light(Nuages):
    """A page that asks no database and no cache: hosts beside each other could share none of their own."""

    edited = "plain/urls.py"
    services = 'database = "none"\ncache = "none"\n'

    def make_project(self, folder: Path) -> Path:
        return measured_project(folder)


class Peer(Way):
    link = f"/srv/{SITE}/web.sock"

    def __init__(self, folder: Path, hosts: Sequence[LabHost]) -> None:
        super().__init__(folder, hosts)
        self.values = {
            "site": SITE,
            "domain": DOMAIN,
            "project": str(self.project),
            "templates": str(PEERS / "templates"),
            "tls": str(make_tls(folder / "tls")),
            "secret_key": "k" * 60,
            "requirements": str(lock(folder, self.project)),
            "pip_cache": PIP_CACHE,
        }

    def authority(self) -> Path:
        return self.folder / "tls" / "ca.pem"


class Ansible(Peer):
    name = "ansible"

    def deploy(self) -> Cost:
        inventory, values = self.folder / "hosts.ini", self.folder / "values.json"
        inventory.write_text("[web]\n" + "".join(f"{host.name}\n" for host in self.hosts))
        values.write_text(json.dumps(self.values))
        env = environment(ANSIBLE_CONFIG=str(PEERS / "ansible" / "ansible.cfg"), ANSIBLE_HOME=str(self.folder / "ansible"))
        argv = (str(TOOLS / "bin" / "ansible-playbook"), "-i", str(inventory), "-e", f"@{values}")
        config = ("--ssh-common-args", f"-F {self.hosts[0].ssh_config}")
        return self.meter.run((*argv, *config, str(PEERS / "ansible" / "site.yml")), cwd=self.folder, env=env)


class Pyinfra(Peer):
    name = "pyinfra"

    def deploy(self) -> Cost:
        config = self.hosts[0].ssh_config
        lines = [
            f'    ("@ssh/{host.name}", {{"ssh_config_file": {config!r}, "ssh_known_hosts_file": {host.known_hosts!r}}}),\n'
            for host in self.hosts
        ]
        inventory = self.folder / "inventory.py"
        inventory.write_text(f"web = [\n{''.join(lines)}]\n")
        data = [word for name, value in self.values.items() for word in ("--data", f"{name}={value}")]
        argv = (str(TOOLS / "bin" / "pyinfra"), "-y", *data, str(inventory), str(PEERS / "pyinfra" / "deploy.py"))
        return self.meter.run(argv, cwd=self.folder, env=environment())


WAYS: tuple[type[Way], ...] = (Nuages, Ansible, Pyinfra)


def declared(hosts: Sequence[LabHost], services: str = "") -> str:
    lines = [f'name = "{SITE}"', f'domains = ["{DOMAIN}"]', "[tls]", 'certificate = "local-ca"']
    lines += ["[services]", services] if services else []
    for host in hosts:
        lines += [f"[hosts.{host.name}]", f'address = "{host.address}"', f'ssh_config = "{host.ssh_config}"']
    return "\n".join(lines) + "\n"


def on_disk(host: LabHost, path: str) -> str:
    """A path of a host, seen from outside: looking costs the host nothing."""
    from nuages.lab import machine

    return machine.place(host.lab, host.record, "root") + path


def install_peers() -> None:
    """ansible-core and pyinfra, in an environment of the bench's own (the dependency group `bench`)."""
    if (TOOLS / "bin" / "ansible-playbook").exists() and (TOOLS / "bin" / "pyinfra").exists():
        return
    uv = (find_uv_bin(), "--no-config")
    subprocess.run((*uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(TOOLS)), check=True)
    python = str(TOOLS / "bin" / "python")
    subprocess.run((*uv, "pip", "install", "--quiet", "--python", python, "--group", f"{ROOT}/pyproject.toml:bench"), check=True)


def lock(folder: Path, project: Path) -> Path:
    """Exact versions for the hosts' Python, as a careful team keeps them; made before the clock runs."""
    wanted, exact = folder / "requirements.in", folder / "requirements.lock"
    wanted.write_text((project / "requirements.txt").read_text() + (PEERS / "requirements.in").read_text())
    argv = (find_uv_bin(), "--no-config", "pip", "compile", "--quiet", "--no-header", "--no-annotate")
    target = ("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_36")
    subprocess.run((*argv, *target, str(wanted), "-o", str(exact)), check=True)
    return exact


def make_tls(folder: Path, domain: str = DOMAIN) -> Path:
    """A small authority and a certificate, by openssl; made before the clock runs."""
    folder.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *key, "-subj", "/CN=bench", "-days", "3", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, "req", *key, "-subj", f"/CN={domain}", "-keyout", "privkey.pem", "-out", "request.pem")
    (folder / "names").write_text(f"subjectAltName=DNS:{domain}\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "names")
    openssl(folder, "x509", "-req", "-in", "request.pem", *signing, "-out", "leaf.pem")
    (folder / "fullchain.pem").write_text((folder / "leaf.pem").read_text() + (folder / "ca.pem").read_text())
    return folder


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True)


def https(address: str, path: str, authority: Path, within: float = 20) -> bytes:
    """The beginning of the answer; waits for a host that does not answer yet."""
    tls = ssl.create_default_context(cafile=str(authority))
    deadline = time.monotonic() + within
    while True:
        try:
            with socket.create_connection((address, 443), 5) as plain, tls.wrap_socket(plain, server_hostname=DOMAIN) as secure:
                secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
                return secure.recv(4096)
        except OSError as error:
            if time.monotonic() > deadline:
                raise FailedError(f"{address} does not answer over HTTPS: {error}") from None
            time.sleep(0.1)
