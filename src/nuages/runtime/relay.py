"""relay.py OPTIONS -- COMMAND: a web command of the project's own, on the socket that outlives it. Stands alone.

The command gets a free port in $PORT. It is asked over HTTP before anything is accepted, and connections from the held
socket (on servers: from the unix socket of --socket) are passed on as they are. On SIGTERM nothing new is accepted; connections at rest (the last bytes went to the
client) are closed, those under way may end within the drain; then the command is ended.
"""

import argparse
import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time


FIRST_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
AT_REST = 0.5  # seconds without a byte after an answer
CHUNK = 65536
LINES = 5


class Relay:
    def __init__(self, options):
        self.options = options
        self.proof = os.environ.get("NUAGES_PROOF", "")
        self.listener = None if options.socket else socket.socket(fileno=FIRST_FD)
        self.port = free_port()
        self.open = set()
        self.child = None

    def start(self):
        env = {k: v for k, v in os.environ.items() if k not in ("LISTEN_FDS", "LISTEN_PID", "NUAGES_PROOF")}
        env["PORT"] = str(self.port)
        self.child = subprocess.Popen(self.options.command, env=env)

    def wait_for_port(self):
        deadline = time.monotonic() + self.options.within
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                return self.tell("exited", ["the web command ended with %d before it listened on $PORT" % self.child.returncode])
            if listens(self.port):
                return True
            time.sleep(0.05)
        return self.tell("timeout", ["the web command did not listen on $PORT within %g seconds" % self.options.within])

    def ask(self):
        """One question with a real Host; what it may answer is the topology's word."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.options.within)
        try:
            connection.request("GET", self.options.path, headers={"Host": self.options.host})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return self.tell("exception", ["GET %s: %s" % (self.options.path, error)])
        finally:
            connection.close()
        if fits(status, self.options.expect):
            return self.tell("", [], status)
        return self.tell("status", ["GET %s answered %d, expected %s" % (self.options.path, status, self.options.expect)])

    def tell(self, kind, lines, status=0):
        report = {"ok": not kind, "kind": kind, "lines": lines[:LINES], "status": status}
        path = os.path.join(self.proof, "%d.json" % os.getpid())
        with open(path + ".partial", "w", encoding="utf-8") as file:
            json.dump(report, file)
        os.replace(path + ".partial", path)
        return not kind

    def may_accept(self):
        """No proxy looks at a unix socket of its own before the switch."""
        return bool(self.options.socket) or self.was_proved()

    def was_proved(self):
        return os.path.exists(os.path.join(self.proof, "go"))

    # --- passing on ----------------------------------------------------------------------------------------

    async def serve(self):
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, ended.set)
        server = await self.listen()
        watch = asyncio.ensure_future(self.watch_child(ended))
        await ended.wait()
        watch.cancel()
        server.close()
        await self.drain()

    async def listen(self):
        if self.listener is not None:
            return await asyncio.start_server(self.accept, sock=self.listener, limit=CHUNK)
        server = await asyncio.start_unix_server(self.accept, path=self.options.socket, limit=CHUNK, backlog=2048)
        os.chmod(self.options.socket, 0o666)  # noqa: S103 - its folder lets only the proxy in
        return server

    async def watch_child(self, ended):
        while self.child.poll() is None:  # noqa: ASYNC110 - a child of another loop's making has no event
            await asyncio.sleep(0.2)
        ended.set()

    async def accept(self, reader, writer):
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.port, limit=CHUNK)
        except OSError:
            writer.close()
            return
        pair = Pair(reader, writer, *upstream)
        self.open.add(pair)
        try:
            await pair.run()
        finally:
            self.open.discard(pair)

    async def drain(self):
        deadline = time.monotonic() + self.options.drain
        while self.open and time.monotonic() < deadline:
            for pair in list(self.open):
                if pair.is_at_rest():
                    pair.close()
            await asyncio.sleep(0.05)
        for pair in list(self.open):
            pair.close()

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(self.options.drain)
            except subprocess.TimeoutExpired:
                self.child.kill()


class Pair:
    """One client and one connection to the command."""

    def __init__(self, reader, writer, up_reader, up_writer):
        self.streams = ((reader, up_writer, False), (up_reader, writer, True))
        self.writers = (writer, up_writer)
        self.answered = True
        self.last = time.monotonic()

    async def run(self):
        await asyncio.gather(*(self.copy(*stream) for stream in self.streams), return_exceptions=True)
        self.close()

    async def copy(self, reader, writer, answer):
        try:
            while True:
                data = await reader.read(CHUNK)
                if not data:
                    break
                self.answered, self.last = answer, time.monotonic()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def is_at_rest(self):
        return self.answered and time.monotonic() - self.last > AT_REST

    def close(self):
        for writer in self.writers:
            writer.close()


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return False
    return True


def fits(status, expect):
    words = [word.strip() for word in expect.split(",")]
    return str(status) in words or "%dxx" % (status // 100) in words


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="relay")
    parser.add_argument("--socket", default="")
    parser.add_argument("--path", default="/")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--expect", default="2xx,3xx")
    parser.add_argument("--within", type=float, default=60)
    parser.add_argument("--drain", type=float, default=30)
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def main():
    relay = Relay(parse(sys.argv[1:]))
    relay.start()
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(0))
    proved = relay.was_proved()
    try:
        if not relay.wait_for_port() or not (proved or relay.ask()):
            return 1
        while not relay.may_accept():
            if relay.child.poll() is not None:
                return 1
            time.sleep(0.02)
        asyncio.run(relay.serve())
        return 0
    finally:
        relay.end()


if __name__ == "__main__":
    sys.exit(main())
