"""A connection, with a client and limits that a test gives."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge.local.websocket import connection as module_under_test
from bridge.local.websocket.connection import ClientTooSlow, Connection, End, Gone
from bridge.testing.messages import ClientRequest
from bridge.testing.services.websocket import ClientConnection

pytestmark = pytest.mark.anyio

CLIENT = ClientConnection(
    id="abc=", request=ClientRequest(method="GET", target="/live", headers=()), stage="live", connected_at=0.0
)


HEADERS = (("sec-websocket-protocol", "chat.v1"),)
ACCEPTED = {"type": "websocket.accept", "headers": [(b"sec-websocket-protocol", b"chat.v1")]}


class Wire:
    """The other side of the web server: `incoming` is received, `sent` was sent. `gate`: opens what is sent."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def send(self, message: Any) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)


async def run(connection: Connection, wire: Wire, got: Callable[[str], None] = lambda _: None) -> End:
    async def later(text: str) -> None:
        got(text)

    return await connection.run(HEADERS, wire.incoming.get, later)


@pytest.mark.parametrize(
    ("message", "end"),
    [
        ({"code": 1001, "reason": "bye"}, (1001, "bye")),
        ({"code": 1000, "reason": None}, (1000, "")),
        ({"code": 1005, "reason": None}, (1005, "Client-side close frame status not set")),
        ({"code": 1005}, (1006, "")),
        ({"code": 1006}, (1006, "")),
    ],
)
async def test_the_messages_of_a_client_and_its_end(message: dict[str, Any], end: End) -> None:
    wire, got = Wire(), list[str]()
    for text in ("a", ""):
        wire.incoming.put_nowait({"type": "websocket.receive", "text": text})
    wire.incoming.put_nowait({"type": "websocket.disconnect", **message})
    connection = Connection(CLIENT, wire.send)
    assert await run(connection, wire, got.append) == end
    assert (got, wire.sent, connection.ended.is_set()) == (["a", ""], [ACCEPTED], True)
    with pytest.raises(Gone):
        await connection.post("late")


async def test_a_close_from_here() -> None:
    wire = Wire()
    connection = Connection(CLIENT, wire.send)
    running = asyncio.ensure_future(run(connection, wire))
    await asyncio.sleep(0)
    await connection.post("hi")
    connection.close((1000, "bye"))
    assert await running == (1000, "bye")
    assert wire.sent == [
        ACCEPTED,
        {"type": "websocket.send", "text": "hi"},
        {"type": "websocket.close", "code": 1000, "reason": "bye"},
    ]
    connection.close((1001, "late"))


@pytest.mark.parametrize("limit", ["IDLE_LIMIT", "MAX_DURATION"])
async def test_a_connection_is_closed_when_it_is_idle_or_old(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, limit, 0.01)
    wire = Wire()
    assert await run(Connection(CLIENT, wire.send), wire) == (1001, "Going away")
    assert wire.sent == [ACCEPTED, {"type": "websocket.close", "code": 1001, "reason": "Going away"}]


async def test_activity_of_either_side_delays_the_end_of_an_idle_connection() -> None:
    wire = Wire()
    connection = Connection(CLIENT, wire.send)
    running = asyncio.ensure_future(run(connection, wire))
    await asyncio.sleep(0)
    deadlines = [connection._life.when()]
    await connection.post("hi")
    deadlines.append(connection._life.when())
    wire.incoming.put_nowait({"type": "websocket.receive", "text": "hi"})
    while not wire.incoming.empty():  # noqa: ASYNC110
        await asyncio.sleep(0)
    deadlines.append(connection._life.when())
    connection.close((1000, ""))
    await running
    assert deadlines == sorted(set(deadlines), key=lambda when: when or 0)


async def test_a_client_that_has_left_and_one_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    connection = Connection(CLIENT, wire.send)
    running = asyncio.ensure_future(run(connection, wire))
    await asyncio.sleep(0)
    wire.failure = ConnectionResetError()
    with pytest.raises(Gone):
        await connection.post("hi")
    wire.failure = None
    wire.gate.clear()
    monkeypatch.setattr(module_under_test, "SEND_LIMIT", 0.01)
    with pytest.raises(ClientTooSlow):
        await connection.post("hi")
    monkeypatch.setattr(module_under_test, "CLOSE_LIMIT", 0.01)
    connection.close((1000, ""))
    assert await running == (1000, "")
    assert wire.sent == [ACCEPTED]
