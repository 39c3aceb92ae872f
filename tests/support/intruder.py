"""What an intruder would try from elsewhere: every port, and requests that two programs may read differently."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from typing import Any


# Run on another host. A port that drops what comes is given up after 1.2 s; eight thousand are asked at a time.
SCAN = r"""
import errno, json, resource, select, socket, sys, time
host, most = sys.argv[1], 8000
resource.setrlimit(resource.RLIMIT_NOFILE, (most + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
found, waiting, ports, poll = [], {}, list(range(65535, 0, -1)), select.epoll()
while ports or waiting:
    while ports and len(waiting) < most:
        port, line = ports.pop(), socket.socket()
        line.setblocking(False)
        if line.connect_ex((host, port)) in (0, errno.EINPROGRESS):
            poll.register(line, select.EPOLLOUT)
            waiting[line.fileno()] = line, port, time.monotonic() + 1.2
    for number, _event in poll.poll(0.05, 4096):
        line, port, _end = waiting.pop(number)
        if line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            found.append(port)
        line.close()
    now = time.monotonic()
    for number in [number for number, (_line, _port, end) in waiting.items() if end < now]:
        waiting.pop(number)[0].close()
answered = []
for port in (53, 67, 69, 80, 111, 123, 137, 161, 389, 443, 500, 514, 631, 1194, 1900, 4500, 5353, 5355, 11211, 51820):
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.settimeout(0.2)
    line.connect((host, port))
    try:
        line.send(b"\0" * 48)
        line.recv(1)
        answered.append(port)
    except TimeoutError:
        pass  # no word, not even that nobody is there
    except OSError:
        answered.append(-port)
print(json.dumps({"tcp": sorted(found), "udp": answered}))
"""


def open_ports(scanner: Any, address: str) -> dict[str, list[int]]:
    """{"tcp": all of 1 to 65535 that answer, "udp": those of the usual ones that say anything}; `scanner` is a lab host."""
    told: dict[str, list[int]] = json.loads(scanner.must("python3", "-c", SCAN, address, timeout=240))
    return told


HEAD = b"Host: shop.example\r\n"
# One program may see one request where another sees two.
AMBIGUOUS = {
    "length and chunks": b"POST /upload HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks said twice": b"POST /upload HTTP/1.1\r\n"
    + HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST /upload HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n12\r\n",
    "two lengths": b"POST /upload HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a length with a sign": b"POST /upload HTTP/1.1\r\n" + HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "a space before the colon": b"GET /whoami HTTP/1.1\r\n" + HEAD + b"X-A : b\r\n\r\n",
    "a header over two lines": b"GET /whoami HTTP/1.1\r\n" + HEAD + b"X-A: b\r\n c\r\n\r\n",
    "two hosts": b"GET /whoami HTTP/1.1\r\n" + HEAD + b"Host: other.example\r\n\r\n",
    "no host": b"GET /whoami HTTP/1.1\r\n\r\n",
    "a zero byte": b"GET /who\0ami HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a way out of static": b"GET /static/../../config/v1.json HTTP/1.1\r\n" + HEAD + b"\r\n",
}
CLAIMS = (
    "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example", "Forwarded: for=6.6.6.6",
    "X-Request-ID: evil", "X_Forwarded_For: 6.6.6.6", "True-Client-IP: 6.6.6.6", "X-Client-IP: 6.6.6.6", "X-Forwarded-Port: 1", "Proxy: http://evil",
)  # fmt: skip


def said(address: str, data: bytes, name: str = "shop.example", port: int = 443) -> bytes:
    """All that comes back until the other side closes, or is silent for three seconds. `name` is what TLS asks for."""
    with contextlib.ExitStack() as open_lines:
        line: socket.socket = open_lines.enter_context(socket.create_connection((address, port), 10))
        if port == 443:
            plain = ssl._create_unverified_context()
            line = open_lines.enter_context(plain.wrap_socket(line, server_hostname=name, do_handshake_on_connect=False))
            line.do_handshake()  # type: ignore[attr-defined]
        line.settimeout(3)
        line.sendall(data)
        out = b""
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            while chunk := line.recv(65536):
                out += chunk
        return out
