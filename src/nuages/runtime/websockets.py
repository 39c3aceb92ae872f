"""Open websockets of a release that has been replaced are told to come back, to its successor.

They would hold the old release up until its time is over, and then be cut without a word. On servers the supervisor
puts a file beside the socket once the traffic has moved; each connection is then closed with 1012, Service Restart
(IANA's registry for RFC 6455), spread over some seconds so that not all come back at once.
"""

from __future__ import annotations

import asyncio
import os
import random


PERIOD = 0.5
SPREAD = 4.0
HEARD = 0.2
RESTART = 1012


class Websockets:
    """Those of one worker."""

    def __init__(self, folder=None, spread=SPREAD):
        folder = folder or os.environ.get("NUAGES_RUNTIME")
        self.sign = os.path.join(folder, "draining") if folder else None
        self.spread = spread
        self.open = set()
        self.watching = None

    async def run(self, project, scope, receive, send):
        if self.sign is None:
            return await project(scope, receive, send)
        connection = Connection(receive, send)
        self.open.add(connection)
        if self.watching is None or self.watching.done():
            self.watching = asyncio.ensure_future(self.watch())
        try:
            return await project(scope, connection.receive, connection.send)
        finally:
            self.open.discard(connection)
            connection.forget()

    async def watch(self):
        """One look at a folder in memory each half second, and none where no websocket is open."""
        while self.open and not os.path.exists(self.sign):  # noqa: ASYNC110, ASYNC240 - another process makes the file
            await asyncio.sleep(PERIOD)
        farewells = [self.part_with(connection) for connection in list(self.open)]
        await asyncio.gather(*farewells, return_exceptions=True)

    async def part_with(self, connection):
        await asyncio.sleep(random.uniform(0, self.spread))
        await connection.leave()


class Connection:
    def __init__(self, receive, send):
        self.inner_receive, self.inner_send = receive, send
        self.accepted = self.closed = self.parting = False
        self.leaving = asyncio.Event()
        self.pending = None

    async def send(self, message):
        if self.parting:
            return
        self.accepted = self.accepted or message["type"] == "websocket.accept"
        self.closed = self.closed or message["type"] == "websocket.close"
        await self.inner_send(message)

    async def receive(self):
        """What the client says, or that it is gone once it was told to leave. What it said before is not lost."""
        if self.pending is None:
            self.pending = asyncio.ensure_future(self.inner_receive())
        leaving = asyncio.ensure_future(self.leaving.wait())
        try:
            await asyncio.wait({self.pending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if not self.pending.done():
            return {"type": "websocket.disconnect", "code": RESTART}
        done, self.pending = self.pending, None
        return done.result()

    async def leave(self):
        """The project hears of it after the client: were it to return first, the server would close without a reason."""
        if self.accepted and not self.closed and not self.parting:
            self.parting = True
            message = {"type": "websocket.close", "code": RESTART, "reason": "a new release is live"}
            closing = asyncio.ensure_future(self.inner_send(message))
            await asyncio.wait({closing}, timeout=HEARD)  # Granian's returns when the project has, and no sooner
            self.leaving.set()
            await closing

    def forget(self):
        if self.pending is not None:
            self.pending.cancel()
