"""`handler.stream` and the lifespan in both modes."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge
from bridge.errors import OriginBroken, OriginNotStarted, StartupFailed
from tests.events import load
from tests.integration.modes import ANSWER, Pair, load_pair

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

SOURCE = (
    ANSWER
    + """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"].update(gate=asyncio.Event(), left=asyncio.Event(), requests=[], number=1)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body", False):
        pass
    state, path = scope["state"], scope["path"]
    state["requests"].append(path)
    state["number"] += 1  # of this request alone
    if path == "/open":
        state["gate"].set()
        await answer(send, "opened")
    elif path == "/left":
        await state["left"].wait()
        await answer(send, "left")
    elif path == "/state":
        await answer(send, [state["requests"], state["number"]])
    else:
        headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if path == "/fails":
            raise ValueError("in the middle")
        if path == "/endless":
            assert (await receive())["type"] == "http.disconnect"
            state["left"].set()
            return
        if path == "/gate":
            await state["gate"].wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body", "body": b"three"})

handler = Bridge(app, lifespan="on")
"""
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with load_pair(tmp_path, SOURCE) as pair:
        yield pair


def event_for(path: str, method: str = "GET") -> dict[str, Any]:
    return load("function_url", rawPath=path, requestContext__http__path=path, requestContext__http__method=method)


PRELUDE = {"statusCode": 201, "headers": {"content-type": "text/plain"}, "cookies": ["a=1", "b=2"]}


async def streamed(handler: Bridge, method: str) -> tuple[dict[str, Any], bytes]:
    async with handler, handler.stream(event_for("/", method), None) as response:
        return response.prelude, b"".join([part async for part in response.body])


@pytest.mark.parametrize(("method", "body"), [("GET", b"onetwothree"), ("HEAD", b"")])
def test_a_streamed_response_is_the_same(pair: Pair, method: str, body: bytes) -> None:
    for handler in (pair.in_process, pair.proxied):
        assert asyncio.run(streamed(handler, method)) == (PRELUDE, body)


async def through_the_gate(handler: Bridge) -> list[bytes]:
    """The first part is here while the application waits for another request."""
    async with handler, handler.stream(event_for("/gate"), None) as response:
        parts = [await anext(response.body)]
        await handler.handle(event_for("/open"), None)
        return [*parts, b"".join([part async for part in response.body])]


def test_parts_arrive_while_the_application_still_sends(pair: Pair) -> None:
    for handler in (pair.in_process, pair.proxied):
        assert asyncio.run(through_the_gate(handler)) == [b"one", b"twothree"]


async def leave_early(handler: Bridge) -> Any:
    async with handler:
        async with handler.stream(event_for("/endless"), None) as response:
            assert await anext(response.body) == b"one"
        return json.loads((await handler.handle(event_for("/left"), None))["body"])


def test_an_application_whose_reader_has_left_is_told(pair: Pair) -> None:
    for handler in (pair.in_process, pair.proxied):
        assert asyncio.run(leave_early(handler)) == "left"


async def read_a_broken_one(handler: Bridge) -> tuple[dict[str, Any], bytes]:
    async with handler, handler.stream(event_for("/fails"), None) as response:
        parts = [await anext(response.body)]
        async for part in response.body:
            parts.append(part)  # noqa: PERF401  # what came before the error counts
        return response.prelude, b"".join(parts)


def test_a_stream_that_breaks_off_is_no_whole_one(pair: Pair) -> None:
    """In process it is the application's own exception; a socket only knows that it is over."""
    with pytest.raises(ValueError, match="in the middle"):
        asyncio.run(read_a_broken_one(pair.in_process))
    with pytest.raises(OriginBroken, match="broke off"):
        asyncio.run(read_a_broken_one(pair.proxied))


def test_the_lifespan_s_state_is_shared_as_in_process(pair: Pair) -> None:
    for _ in range(2):
        pair.answer(event_for("/open"))
    assert json.loads(pair.answer(event_for("/state"))["body"]) == [["/open", "/open", "/state"], 2]


def test_a_handler_goes_from_one_event_loop_to_the_next(pair: Pair) -> None:
    """The child outlives the loops, and so does what it remembers; it ends with `close()`."""

    async def ask(path: str) -> Any:
        return json.loads((await pair.proxied.handle(event_for(path), None))["body"])

    assert [asyncio.run(ask("/open")), asyncio.run(ask("/open"))] == ["opened", "opened"]
    assert json.loads(pair.proxied(event_for("/state"), None)["body"])[0] == ["/open", "/open", "/state"]


def test_a_handler_that_was_left_is_started_again(pair: Pair) -> None:
    async def ask() -> Any:
        async with pair.proxied as handler:
            return json.loads((await handler.handle(event_for("/state"), None))["body"])

    assert [asyncio.run(ask()), asyncio.run(ask())] == [[["/state"], 2]] * 2


SEES_STATE = ANSWER + (
    "async def app(scope, receive, send):\n"
    "    if scope['type'] == 'lifespan':\n"
    "        LIFESPAN\n"
    "        return\n"
    "    await answer(send, 'state' in scope)\n"
    "handler = Bridge(app, lifespan='MODE')\n"
)
COMPLETE = "await receive(); await send({'type': 'lifespan.startup.complete'}); await receive()"


@pytest.mark.parametrize(
    ("mode", "lifespan", "has_state"),
    [
        ("auto", COMPLETE, True),
        ("on", COMPLETE, True),
        ("off", COMPLETE, False),
        ("auto", "raise NotImplementedError", False),
        ("auto", "pass", False),
    ],
)
def test_there_is_a_state_where_there_is_a_lifespan(tmp_path: Path, mode: str, lifespan: str, has_state: bool) -> None:
    source = SEES_STATE.replace("MODE", mode).replace("LIFESPAN", lifespan)
    with load_pair(tmp_path, source) as pair:
        assert json.loads(pair.answer(event_for("/"))["body"]) is has_state


FAILED = [
    ("auto", "await receive(); raise ValueError('no database')", "no database"),
    ("on", "await receive(); raise ValueError('no database')", "no database"),
    ("on", "raise ValueError('no lifespan')", "no lifespan"),
    ("auto", "await receive(); await send({'type': 'lifespan.startup.failed', 'message': 'no table'})", "no table"),
    ("auto", "await receive()", "lifespan"),
    ("on", "pass", "lifespan"),
]


@pytest.mark.parametrize(("mode", "lifespan", "reason"), FAILED)
def test_a_startup_that_fails_in_process_fails_in_the_child(
    tmp_path: Path, mode: str, lifespan: str, reason: str
) -> None:
    source = SEES_STATE.replace("MODE", mode).replace("LIFESPAN", lifespan)
    with load_pair(tmp_path, source) as pair:
        with pytest.raises(StartupFailed, match=reason):
            pair.in_process(event_for("/"), None)
        with pytest.raises(OriginNotStarted, match=reason):
            pair.proxied(event_for("/"), None)
