"""A bounded load against a loopback URL that counts every request that a client would call lost.

    with Traffic(url, rate=200) as traffic:
        ...deploy...
    report = traffic.report

New connections, kept-alive connections, a slow page in flight and a trickled upload run at the same time. A
connection that the server closed before we sent is reopened, as clients do. A GET on a reused connection that is
closed without one byte of an answer is sent once more and counted as `retried`; everything else that fails is lost.
"""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


PATIENCE = 15.0


@dataclass
class Report:
    ok: int = 0
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
        return (
            f"{self.failed} lost of {self.ok + self.failed} in {self.seconds:.1f} s, {self.retried} retried, "
            f"longest stall {self.longest_stall:.2f} s, slowest fast answer {self.slowest:.2f} s"
            + (f", {dict(self.lost)}" if self.lost else "")
        )


class LostError(Exception):
    pass


class Traffic:
    def __init__(self, url, *, rate=100, keepalive_rate=100, connections=20, slow=2, uploads=1, path="/",
                 slow_path="/slow", upload_path="/upload", upload_size=1 << 20, host=None):  # fmt: skip
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.host = host or parts.netloc
        self.rates = (rate, keepalive_rate, connections, slow, uploads)
        self.paths = (path, slow_path, upload_path)
        self.upload_size = upload_size
        self.report = Report()
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
        self.thread.join(PATIENCE * 3)
        self.report.seconds = time.monotonic() - self.started
        return self.report

    async def main(self):
        rate, keepalive_rate, connections, slow, uploads = self.rates
        path, slow_path, _upload_path = self.paths
        clients = [self.every(1 / rate, self.once, path)] if rate else []
        if keepalive_rate:
            clients += [self.keep_alive(path, connections / keepalive_rate) for _ in range(connections)]
        clients += [self.again(self.once, slow_path) for _ in range(slow)]
        clients += [self.again(self.upload) for _ in range(uploads)]
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

    async def once(self, path):
        fast = path == self.paths[0]
        with_counting = self.counted("slow" if not fast else "new", fast)
        async with with_counting:
            reader, writer = await self.connect()
            try:
                writer.write(self.head("GET", path, "close"))
                self.note(await read_answer(reader))
            finally:
                writer.close()

    async def keep_alive(self, path, pause):
        connection = None
        while not self.stopping.is_set():
            async with self.counted("keepalive", True):
                connection = await self.ask_kept(connection, path)
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
        async with self.counted("upload", False):
            reader, writer = await self.connect()
            try:
                writer.write(self.head("POST", self.paths[2], "close", self.upload_size))
                for _part in range(16):
                    writer.write(b"x" * (self.upload_size // 16))
                    await writer.drain()
                    await asyncio.sleep(0.1)
                self.note(await read_answer(reader))
            finally:
                writer.close()

    # --- one request -------------------------------------------------------------------------------------

    async def connect(self):
        return await asyncio.open_connection(*self.address)

    def head(self, method, path, connection, length=0):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Connection: {connection}", "User-Agent: traffic"]
        if length:
            lines += [f"Content-Length: {length}", "Content-Type: application/octet-stream"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def note(self, answer):
        status, _headers, body = answer
        if not 200 <= status < 400:
            raise LostError(f"status {status}")
        self.report.ok += 1
        if len(self.report.bodies) < 1000:
            self.report.bodies[body[:40]] += 1

    def counted(self, kind, fast):
        return Counted(self, kind, fast)


class Counted:
    def __init__(self, traffic, kind, fast):
        self.traffic, self.kind, self.fast = traffic, kind, fast

    async def __aenter__(self):
        self.started = time.monotonic()
        self.timeout = asyncio.timeout(PATIENCE)
        await self.timeout.__aenter__()

    async def __aexit__(self, kind, error, trace):
        try:
            swallowed = await self.timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            error, swallowed = late, True
        now, report = time.monotonic(), self.traffic.report
        if error is None:
            if self.fast:
                report.slowest = max(report.slowest, now - self.started)
                report.longest_stall = max(report.longest_stall, now - (self.traffic.last_ok or now))
                self.traffic.last_ok = now
            return None
        if isinstance(error, (OSError, LostError, ValueError, asyncio.IncompleteReadError)):
            name = str(error) if isinstance(error, LostError) else type(error).__name__
            report.lost[f"{self.kind}: {name}"] += 1
            return True
        return swallowed


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
