"""The little of RFC 6455 that a visitor of a test needs: open, say a word and read the answer, learn that it is over."""

import base64
import os


TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class ClosedError(Exception):
    """The other side said goodbye with a reason that asks to come back: 1001 (going away) or 1012 (restarting)."""


class WebSocket:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, reader, writer, host, path):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            writer.close()
            raise ConnectionError(f"no websocket: {head.splitlines()[0].decode(errors='replace')}")
        return cls(reader, writer)

    async def ask(self, word):
        self.send(TEXT, word.encode())
        while True:
            kind, content = await self.receive()
            if kind == PING:
                self.send(PONG, content)
            elif kind == CLOSE:
                code = int.from_bytes(content[:2], "big")
                self.send(CLOSE, content[:2])
                if code in (1001, 1012):
                    raise ClosedError(code)
                raise ConnectionError(f"closed with {code}")
            elif kind == TEXT:
                return content.decode()

    def send(self, kind, content):
        """A frame of less than 126 bytes, masked as a client must."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        self.writer.write(bytes([0x80 | kind, 0x80 | len(content)]) + mask + masked)

    async def receive(self):
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    def close(self):
        self.writer.close()
