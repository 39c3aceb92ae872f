"""A bounded load against a loopback URL that counts every request that a client would call lost.

    with Traffic(url, rate=200) as traffic:
        ...deploy...
    report = traffic.report

New connections, kept-alive connections, a slow page in flight and a trickled upload run at the same time. A
connection that the server closed before we sent is reopened, as clients do. A GET on a reused connection that is
closed without one byte of an answer is sent once more and counted as `retried`; everything else that fails is lost.

This is a thread, for servers on loopback beside quick tests; `lab_traffic` runs the same in a process of its own.
"""

import asyncio
import contextlib
import itertools
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from web_socket import ClosedError, WebSocket


PATIENCE = 15.0
FAILURES = 20  # that are kept in full
PAUSE = 0.2  # after a loss, so that a refusing host does not make thousands of it
EDGE = "edge-of-a-part"


@dataclass
class Report:
    """`sent` and `answered` by kind of client; `failures` are the first ones, with the time in seconds from the start.

    `releases`: what the answers say of the release that made them -> how many, and when first and last (seconds).
    """

    ok: int = 0
    sent: Counter = field(default_factory=Counter)
    answered: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    releases: dict = field(default_factory=dict)
    stalled_at: float = 0.0
    reconnects: int = 0
    retried: int = 0
    lost: Counter = field(default_factory=Counter)
    longest_stall: float = 0.0
    slowest: float = 0.0
    bodies: Counter = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def failed(self):
        return sum(self.lost.values())

    def __str__(self):
        said = (
            f"{self.failed} lost of {self.ok + self.failed} in {self.seconds:.1f} s, {self.retried} retried, "
            f"longest stall {self.longest_stall:.2f} s (at {self.stalled_at:.1f} s), slowest fast answer {self.slowest:.2f} s"
        )
        said += "".join(f"\n  {name} answered {n} times from {a:.1f} s to {b:.1f} s" for name, (n, a, b) in self.releases.items())
        said += "".join(f"\n  lost {what}: {n}" for what, n in self.lost.items())
        return said + "".join(f"\n    at {f['at']:.2f} s, {f['kind']}: {f['what']}" for f in self.failures)


class LostError(Exception):
    pass


class Traffic:
    """`host` is the name asked for where the URL has an address; `ca` a PEM file that must have signed the certificate.

    `also` are further paths for new connections, in turn with `path`. `expect`: the statuses that are answers; none: 2xx
    and 3xx. `upload_field`: send uploads as a form's file of that name. `sockets` keep a websocket at `socket_path` open.
    """

    def __init__(self, url, *, rate=100, keepalive_rate=100, connections=20, slow=2, uploads=1, path="/",
                 slow_path="/slow", upload_path="/upload", upload_size=1 << 20, host=None, ca=None, also=(), expect=(),
                 upload_field="", sockets=0, socket_path="/socket", patience=PATIENCE, release_header="x-version"):  # fmt: skip
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme])
        self.host = host or parts.netloc
        self.tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self.rates = (rate, keepalive_rate, connections, slow, uploads)
        self.paths = (path, slow_path, upload_path)
        self.also = itertools.cycle((path, *also))
        self.expect, self.patience, self.release_header = tuple(expect), patience, release_header.lower().encode()
        self.upload_size, self.upload_field = upload_size, upload_field
        self.sockets, self.socket_path = sockets, socket_path
        self.report = Report()
        self.started = time.monotonic()
        self.stopping = threading.Event()
        self.last_ok = None
        self.open_tasks = set()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.main()), daemon=True)

    def __enter__(self):
        self.started = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.stop()

    def stop(self):
        self.stopping.set()
        self.thread.join(self.patience * 3)
        self.report.seconds = time.monotonic() - self.started
        return self.report

    async def main(self):
        rate, keepalive_rate, connections, slow, uploads = self.rates
        path, slow_path, _upload_path = self.paths
        clients = [self.every(1 / rate, self.once)] if rate else []
        if keepalive_rate:
            clients += [self.keep_alive(path, connections / keepalive_rate) for _ in range(connections)]
        clients += [self.again(self.once, slow_path) for _ in range(slow)]
        clients += [self.again(self.upload) for _ in range(uploads)]
        clients += [self.again(self.talk) for _ in range(self.sockets)]
        await asyncio.gather(*clients)
        await asyncio.gather(*self.open_tasks)

    # --- kinds of clients --------------------------------------------------------------------------------

    async def every(self, pause, client, *arguments):
        """Start one each `pause`, whether or not earlier ones have been answered."""
        due = time.monotonic()
        while not self.stopping.is_set():
            task = asyncio.create_task(client(*arguments))
            self.open_tasks.add(task)
            task.add_done_callback(self.open_tasks.discard)
            due += pause
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def again(self, client, *arguments):
        while not self.stopping.is_set():
            await client(*arguments)

    async def once(self, path=None):
        slow = path == self.paths[1]
        async with self.counted("slow" if slow else "new", fast=not slow) as counted:
            path = path or next(self.also)
            counted.path = path
            reader, writer = await self.connect()
            try:
                writer.write(self.head("GET", path, "close"))
                self.note(await read_answer(reader))
            finally:
                writer.close()

    async def keep_alive(self, path, pause):
        connection = None
        while not self.stopping.is_set():
            async with self.counted("keepalive", True) as counted:
                counted.path, connection, kept = path, None, connection
                connection = await self.ask_kept(kept, path)
            await asyncio.sleep(pause)
        if connection:
            connection[1].close()

    async def ask_kept(self, connection, path, second_try=False):
        reused = connection is not None and not connection[0].at_eof()
        if connection and not reused:
            connection[1].close()  # the server ended it while it was idle: nothing was sent
        reader, writer = connection if reused else await self.connect()
        writer.write(self.head("GET", path, "keep-alive"))
        try:
            status, headers, body = await read_answer(reader)
        except LostError as error:
            writer.close()
            if reused and not second_try and str(error) == "closed without an answer":
                self.report.retried += 1
                return await self.ask_kept(None, path, second_try=True)
            raise
        self.note((status, headers, body))
        if b"close" in headers.get(b"connection", b"").lower():
            writer.close()
            return None
        return reader, writer

    async def upload(self):
        async with self.counted("upload", False) as counted:
            counted.path = self.paths[2]
            reader, writer = await self.connect()
            try:
                before, after = form_file(self.upload_field) if self.upload_field else (b"", b"")
                length = len(before) + self.upload_size // 16 * 16 + len(after)
                with contextlib.suppress(ConnectionError):  # refused before its end: the answer may say why
                    await self.trickle(writer, self.head("POST", self.paths[2], "close", length) + before, after)
                self.note(await read_answer(reader))
            finally:
                writer.close()

    async def trickle(self, writer, before, after):
        writer.write(before)
        for _part in range(16):
            writer.write(b"x" * (self.upload_size // 16))
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(after)
        await writer.drain()

    async def talk(self):
        """A websocket that says a word each second; told to go (RFC 6455, 7.4.1: 1001, 1012), it comes back at once."""
        socket = None
        try:
            async with self.counted("socket opens", False) as counted:
                counted.path = self.socket_path
                socket = await WebSocket.open(*await self.connect(), self.host, self.socket_path)
                self.note((200, {}, b""))
            while socket and not self.stopping.is_set():
                async with self.counted("socket word", False) as counted:
                    counted.path = self.socket_path
                    said = await socket.ask("hello")
                    self.note((200, {self.release_header: said.encode()}, b""))
                await asyncio.sleep(1)
                if counted.failed:
                    break
        except ClosedError:
            self.report.reconnects += 1
        finally:
            if socket:
                socket.close()

    # --- one request -------------------------------------------------------------------------------------

    async def connect(self):
        named = {"ssl": self.tls, "server_hostname": self.host.partition(":")[0]} if self.tls else {}
        return await asyncio.open_connection(*self.address, **named)

    def head(self, method, path, connection, length=0):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Connection: {connection}", "User-Agent: traffic"]
        if length:
            lines += [f"Content-Length: {length}", f"Content-Type: {self.content_type}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def content_type(self):
        return f"multipart/form-data; boundary={EDGE}" if self.upload_field else "application/octet-stream"

    def note(self, answer):
        status, headers, body = answer
        if not (status in self.expect if self.expect else 200 <= status < 400):
            raise LostError(f"status {status}", body)
        self.report.ok += 1
        if release := headers.get(self.release_header, b"").decode(errors="replace"):
            now = time.monotonic() - self.started
            count, first, _last = self.report.releases.get(release, (0, now, now))
            self.report.releases[release] = (count + 1, first, now)
        if len(self.report.bodies) < 1000:
            self.report.bodies[body[:40].decode(errors="replace")] += 1

    def counted(self, kind, fast):
        return Counted(self, kind, fast)


class Counted:
    """One request within its deadline: sent, then answered or lost."""

    def __init__(self, traffic, kind, fast):
        self.traffic, self.kind, self.fast = traffic, kind, fast
        self.path, self.failed = "", False

    async def __aenter__(self):
        self.started = time.monotonic()
        self.traffic.report.sent[self.kind] += 1
        self.timeout = asyncio.timeout(self.traffic.patience)
        await self.timeout.__aenter__()
        return self

    async def __aexit__(self, kind, error, trace):
        try:
            swallowed = await self.timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            error, swallowed = late, True
        if error is None:
            self.answered()
            return None
        if isinstance(error, ClosedError):
            self.traffic.report.sent[self.kind] -= 1
            return None
        if isinstance(error, (OSError, LostError, ValueError, asyncio.IncompleteReadError)):
            self.lost(error)
            await asyncio.sleep(PAUSE)
            return True
        return swallowed

    def answered(self):
        now, report = time.monotonic(), self.traffic.report
        report.answered[self.kind] += 1
        if not self.fast:
            return
        report.slowest = max(report.slowest, now - self.started)
        stall = now - (self.traffic.last_ok or now)
        if stall > report.longest_stall:
            report.longest_stall, report.stalled_at = stall, now - self.traffic.started
        self.traffic.last_ok = now

    def lost(self, error):
        report, now = self.traffic.report, time.monotonic()
        self.failed = True
        name = str(error.args[0]) if isinstance(error, LostError) else type(error).__name__
        report.lost[f"{self.kind}: {name}"] += 1
        if len(report.failures) < FAILURES:
            body = error.args[1][:300].decode(errors="replace") if len(error.args) > 1 and isinstance(error, LostError) else ""
            what = f"{self.path} after {now - self.started:.2f} s: {name} {error if name != str(error) and not body else body}"
            report.failures.append({"at": now - self.traffic.started, "kind": self.kind, "what": what.strip()})


def form_file(field):
    """What stands before and after the bytes of a form's only file (RFC 7578)."""
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="{field}"; filename="{field}.bin"\r\n'
    return f"{head}Content-Type: application/octet-stream\r\n\r\n".encode(), f"\r\n--{EDGE}--\r\n".encode()


async def read_answer(reader):
    try:
        first = await reader.readuntil(b"\r\n")
    except asyncio.IncompleteReadError as error:
        raise LostError("closed without an answer" if not error.partial else "cut short") from error
    except ConnectionError as error:
        raise LostError("closed without an answer") from error
    status = int(first.split()[1])
    headers = {}
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        name, _colon, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    elif b"chunked" in headers.get(b"transfer-encoding", b""):
        body = await read_chunks(reader)
    else:
        body = await reader.read()
    return status, headers, body


async def read_chunks(reader):
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
