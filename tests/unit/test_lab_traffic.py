"""The visitors of the lab's stories: what they count as lost is what a server really lost, told with time and reason."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
from lab_traffic import Seen, traffic


QUIET = {"rate": 20, "keepalive_rate": 20, "connections": 4, "slow": 0, "uploads": 0, "patience": 1.0}


class Shop:
    """A server on loopback; `fault(number, path)` says what becomes of a request: ok, reset, 502, silent, cut."""

    def __init__(self, fault=lambda number, path: "ok", tls=None):
        self.fault, self.tls, self.count, self.received = fault, tls, 0, []
        self.version = "1"
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),), daemon=True)
        self.faults = 0

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(5)
        return self

    def __exit__(self, *_exc):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(5)
        self.loop.close()

    async def serve(self):
        self.over = asyncio.Event()
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.02)

    async def answer(self, reader, writer):
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self.one(head, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def one(self, head, reader, writer):
        path = head.split()[1].decode()
        self.count += 1
        fault = self.fault(self.count, path)
        self.faults += fault != "ok"
        if b"Upgrade: websocket" in head:
            return await self.talk(head, reader, writer)
        if b"Content-Length: " in head:
            self.received.append(await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0])))
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if fault == "silent":
            await asyncio.sleep(5)
        if path == "/slow":
            await asyncio.sleep(0.2)
        status = "502 Bad Gateway" if fault == "502" else "200 OK"
        length = 500 if fault == "cut" else 5
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Version: {self.version}\r\n\r\nhello".encode())
        await writer.drain()
        await asyncio.sleep(0.01)
        return fault != "cut" and b"Connection: close" not in head

    async def talk(self, head, reader, writer):
        key = head.partition(b"Sec-WebSocket-Key: ")[2].split()[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        for _word in range(2):
            await reader.readexactly(2 + 4 + 5)
            writer.write(b"\x81\x01" + self.version.encode())
        writer.write(b"\x88\x02" + (1012).to_bytes(2, "big"))
        return False


def met(shop, seconds=0.8, scheme="http", **options):
    with traffic(f"{scheme}://127.0.0.1:{shop.port}", **QUIET | options) as seen:
        time.sleep(seconds)
    return seen


def test_a_server_that_answers_everything_loses_nothing():
    with Shop() as shop:
        seen = met(shop, slow=1, uploads=1, upload_field="cover", upload_size=1600, patience=5)
    assert seen.lost == 0, seen
    assert seen.report.sent == seen.report.answered
    assert set(seen.report.sent) == {"new", "keepalive", "slow", "upload"}
    assert shop.received[0].startswith(b"--edge")
    assert b'name="cover"' in shop.received[0]
    assert seen.report.ok == sum(seen.report.answered.values()) == shop.count


@pytest.mark.parametrize(("fault", "said"), [("reset", "closed without an answer"), ("502", "status 502"), ("cut", "Incomplete")])
def test_each_answer_that_does_not_come_is_lost_and_told(fault, said):
    with Shop(lambda number, path: fault if number % 5 == 0 else "ok") as shop:
        seen = met(shop, keepalive_rate=0)
    assert seen.lost == shop.faults > 0, seen
    assert seen.report.sent["new"] == seen.report.answered["new"] + seen.lost
    assert said in seen.report.failures[0]["what"]
    assert 0 < seen.report.failures[0]["at"] < 3


def test_silence_is_lost_at_the_end_of_its_deadline():
    with Shop(lambda number, path: "silent" if number == 5 else "ok") as shop:
        seen = met(shop)
    assert dict(seen.report.lost) in ({"new: TimeoutError": 1}, {"keepalive: TimeoutError": 1})


def test_a_kept_connection_closed_before_any_answer_is_asked_once_more():
    with Shop(lambda number, path: "reset" if number == 10 else "ok") as shop:
        seen = met(shop, rate=0)
    assert (seen.lost, seen.report.retried) == (0, 1), seen


def test_a_port_that_refuses_is_lost_without_flooding():
    with Shop() as shop, traffic(f"http://127.0.0.1:{shop.port}", **QUIET | {"slow": 1}) as seen:
        shop.loop.call_soon_threadsafe(shop.over.set)
        time.sleep(1)
    assert 5 < seen.lost < 60, seen
    assert any("ConnectionRefusedError" in failure["what"] for failure in seen.report.failures), seen


def test_releases_are_told_in_the_order_of_their_first_answers():
    with Shop() as shop, traffic(f"http://127.0.0.1:{shop.port}", **QUIET) as seen:
        seen.wait_for(lambda report: "1" in report.releases)
        shop.version = "2"
        seen.wait_for(lambda report: "2" in report.releases)
    assert seen.releases == ["1", "2"]


def test_only_the_statuses_that_the_story_expects_are_answers():
    with Shop(lambda number, path: "502") as shop:
        seen = met(shop, expect=(502,))
    assert seen.lost == 0, seen


def test_a_websocket_told_to_come_back_is_not_lost():
    with Shop() as shop:
        seen = met(shop, seconds=3, rate=1, keepalive_rate=0, sockets=1)
    assert (seen.lost, seen.report.reconnects) == (0, 1), seen
    assert seen.report.answered["socket opens"] == 2


def test_the_visitors_end_with_the_story_that_sent_them():
    with Shop() as shop:
        seen = Seen(f"http://127.0.0.1:{shop.port}", QUIET, 60)
        seen.wait_for(lambda report: report.ok)
        seen.process.stdin.close()  # as the system does when the story's process dies
        assert seen.process.wait(10) == 0
        assert seen.stop().failed == 0


def test_over_https_the_certificate_is_verified(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop.example -days 1"
    words += f" -addext subjectAltName=DNS:shop.example -keyout {tmp_path}/key.pem -out {tmp_path}/cert.pem"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Shop(tls=tls) as shop:
        good = met(shop, scheme="https", host="shop.example", ca=str(tmp_path / "cert.pem"))
        other = met(shop, scheme="https", host="other.example", ca=str(tmp_path / "cert.pem"), warm=False)
        stranger = met(shop, scheme="https", host="shop.example", warm=False)
    assert good.lost == 0 < good.ok, good
    assert other.ok == 0 < other.lost
    assert stranger.ok == 0 < stranger.lost
    assert "certificate verify failed" in stranger.report.failures[0]["what"], stranger
