"""A real nginx on this machine with the files that a description wants, all paths moved below a folder, on free ports."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Self


NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
MOVED = ("/srv/", "/etc/nuages/", "/etc/nginx/sites", "/etc/nginx/conf.d", "/var/log/nginx", "/var/lib/nuages", "/etc/ssl/")
MODULES = Path("/usr/lib/nginx/modules")
MAIN = """{modules}
user {user};
pid {root}/nginx.pid;
error_log {root}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    sendfile on;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    gzip on;
    client_body_temp_path {root}/tmp-body;
    proxy_temp_path {root}/tmp-proxy;
    fastcgi_temp_path {root}/tmp-fastcgi;
    uwsgi_temp_path {root}/tmp-uwsgi;
    scgi_temp_path {root}/tmp-scgi;
    include {root}/etc/nginx/conf.d/*.conf;
    include {root}/etc/nginx/sites-enabled/*;
}}
"""


def has_brotli() -> bool:
    return (MODULES / "ngx_http_brotli_static_module.so").is_file()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NginxHere:
    """`with NginxHere(tmp_path, descriptions) as nginx: nginx.get("/")`. The answers of `Echo` stand in for the project."""

    def __init__(self, root: Path, descriptions, project=None) -> None:
        self.root, self.descriptions = root, descriptions
        self.ports = {80: free_port(), 443: free_port()}
        self.echo = Echo(self.path("/srv/shop/run/web.sock"), project or echo)

    def path(self, original: str) -> Path:
        return self.root / original.lstrip("/")

    def moved(self, text: str) -> str:
        for path in MOVED:
            text = text.replace(path, f"{self.root}{path}")
        text = re.sub(r"listen \[::\]:(\d+)", r"listen [::1]:\1", text)
        return re.sub(r"(listen (?:\[::1\]:)?)(\d+)", lambda m: m[1] + str(self.ports.get(int(m[2]), m[2])), text)

    def lay(self) -> None:
        for description in self.descriptions:
            for directory in description.directories:
                self.path(directory.path).mkdir(parents=True, exist_ok=True)
            for file in description.files:
                self.write(file.path, file.content)
            for link in description.links:
                self.path(link.path).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    self.path(link.path).symlink_to(self.moved(link.target))
        for folder in ("/srv/shop/shared/static", "/srv/shop/shared/media", "/srv/shop/run", "/var/lib/nuages/acme"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        names = ("filter", "static") if has_brotli() else ()
        modules = "".join(f"load_module {MODULES}/ngx_http_brotli_{name}_module.so;\n" for name in names)
        user = "root root" if os.geteuid() == 0 else "nobody"
        (self.root / "nginx.conf").write_text(MAIN.format(root=self.root, modules=modules, user=user))

    def write(self, path: str, content) -> Path:
        at = self.path(path)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(self.moved(content) if isinstance(content, str) else content.reveal())
        return at

    def make_certificate(self, *names: str) -> None:
        folder = self.path("/etc/nuages/certs/shop")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
             "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
            check=True, capture_output=True,
        )  # fmt: skip

    def test(self) -> str:
        """What `nginx -t` says; empty where it is content."""
        self.lay()
        done = subprocess.run(
            [NGINX, "-t", "-q", "-c", self.root / "nginx.conf", "-p", self.root], capture_output=True, text=True, check=False
        )
        return done.stderr if done.returncode or done.stderr else ""

    def __enter__(self) -> Self:
        assert not self.test()
        self.echo.start()
        self.process = subprocess.Popen([NGINX, "-c", self.root / "nginx.conf", "-p", self.root, "-g", "daemon off;"])
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[80]), 1):
                return self
            time.sleep(0.02)
        raise AssertionError((self.root / "error.log").read_text())

    def __exit__(self, *_args) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.echo.stop()

    def get(self, path="/", host="shop.example", method="GET", body=None, tls=False, **headers):
        """(status, headers in small letters, body). `Accept_Encoding="br"` is a header too."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[80], timeout=10)
        if tls:
            context = ssl._create_unverified_context()
            raw = socket.create_connection(("127.0.0.1", self.ports[443]), 10)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        with contextlib.closing(connection):
            sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def echo(head: bytes, body: bytes) -> bytes:
    """The project: it answers with the request that it got."""
    text = head + b"\r\n\r\n" + b"%d bytes" % len(body)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


class Echo:
    def __init__(self, path: Path, project) -> None:
        self.path, self.project, self.server = path, project, None

    def start(self) -> None:
        project = self.project

        class Answer(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data = b""
                while b"\r\n\r\n" not in data:
                    got = self.request.recv(65536)
                    if not got:
                        return
                    data += got
                head, _, body = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                while length and len(body) < int(length[1]):
                    body += self.request.recv(65536)
                self.request.sendall(project(head, body))

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.server = socketserver.ThreadingUnixStreamServer(str(self.path), Answer)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.path.unlink(missing_ok=True)
            self.server = None
