"""Open websockets of a release that was replaced are told to come back, by a close that the client understands."""

import asyncio

import shipped_runtime  # noqa: F401
from nuages_runtime.websockets import Websockets


class Client:
    """A websocket's other end. `lazy_close`: its server sends a close only when the project has returned (Granian)."""

    def __init__(self, *messages, lazy_close=False):
        self.messages = list(messages)
        self.sent = []
        self.lazy_close = lazy_close
        self.returned = asyncio.Event()

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        return await asyncio.Future()

    async def send(self, message):
        self.sent.append(message)
        if self.lazy_close and message["type"] == "websocket.close":
            await self.returned.wait()


CONNECT = {"type": "websocket.connect"}
HELLO = {"type": "websocket.receive", "text": "hello"}


async def echo(scope, receive, send):
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            scope["heard"] = message
            await send({"type": "websocket.send", "text": "too late"})
            return


def talk(tmp_path, client_options=(), messages=(CONNECT, HELLO), leave=True, project=echo):
    """Open, exchange what there is, be told to leave; what the client got and what the project heard."""

    async def main():
        client, scope = Client(*messages, **dict(client_options)), {"type": "websocket"}
        sockets = Websockets(str(tmp_path), spread=0)
        task = asyncio.ensure_future(sockets.run(project, scope, client.receive, client.send))
        task.add_done_callback(lambda _task: client.returned.set())
        await asyncio.sleep(0.05)
        if leave:
            (tmp_path / "draining").touch()
        await asyncio.wait_for(task, 5)
        await asyncio.sleep(0)
        return client.sent, scope.get("heard"), sockets

    return asyncio.run(main())


def test_it_is_closed_with_service_restart_and_the_project_hears_of_it(tmp_path):
    sent, heard, sockets = talk(tmp_path)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[-1]["code"] == heard["code"] == 1012
    assert not sockets.open


def test_a_server_that_closes_when_the_project_has_returned_is_not_waited_for(tmp_path):
    sent, heard, _sockets = talk(tmp_path, {"lazy_close": True}.items())

    assert sent[-1]["type"] == "websocket.close"
    assert heard["code"] == 1012


def test_one_that_ends_by_itself_notices_nothing(tmp_path):
    end = {"type": "websocket.disconnect", "code": 1000}
    sent, heard, _sockets = talk(tmp_path, messages=(CONNECT, HELLO, end), leave=False)

    assert heard == end
    assert sent[-1]["text"] == "too late"


def test_a_project_that_only_sends_is_closed_as_well(tmp_path):
    async def ticker(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        for _turn in range(100):
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.02)

    sent, _heard, _sockets = talk(tmp_path, project=ticker)

    assert sent[-1] == {"type": "websocket.close", "code": 1012, "reason": "a new release is live"}


def test_on_this_machine_it_is_passed_through_untouched(monkeypatch):
    monkeypatch.delenv("NUAGES_RUNTIME", raising=False)
    seen = []

    async def project(scope, receive, send):
        seen.extend((receive, send))

    asyncio.run(Websockets().run(project, {}, print, repr))

    assert seen == [print, repr]
