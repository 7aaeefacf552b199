"""Which failed requests are sent once more: counted where they arrive."""

import logging
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from bridge._httpx import httpx
from bridge.proxy.network import SocketStream
from tests.logged import assert_logged
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Ask,
    Peer,
    Script,
    WireRequest,
    answering,
    both_loops,
    both_networks,
    make_request,
    response,
    seen,
    send,
    serving,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

BODY = bytes(6 << 20)

IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH", "QUERY", "get", "CUSTOM"]


def failing(fail: Script, *, used: bool) -> Script:
    """Answer well, except that the first connection's first request fails, or its second if `used`."""

    def script(peer: Peer) -> None:
        for number in range(100):
            if peer.number == 1 and number == used:
                fail(peer)
                return
            request = peer.read_request()
            peer.send(OK[:-2] if request.line.startswith(b"HEAD") else OK)

    return script


def leave(peer: Peer) -> None:
    peer.read_request()
    peer.close()


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def saying(wire: bytes) -> Script:
    def say(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire)
        peer.wait_until_read()
        peer.close()

    return say


def leave_after(size: int) -> Script:
    """Leave with this much of the body read. If more of the request has arrived, the client gets a reset."""

    def fail(peer: Peer) -> None:
        peer.read_head()
        peer.read_exactly(size)
        peer.close()

    return fail


LEAVING: list[Script] = [leave, reset]

FAILURES = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


async def tries(
    ask: Ask,
    request: httpx.Request,
    fail: Script,
    *,
    network: str = "tcp",
    used: bool = True,
    idle_timeout: float = 4,
) -> tuple[int, bool]:
    """Return the number of connections for `request`, one of which fails, and whether it was answered."""
    async with serving(failing(fail, used=used), network, idle_timeout=idle_timeout) as (origin, transport):
        if used:
            assert await send(transport, make_request(target=b"/warm")) == OK_ANSWER
        try:
            answer = await ask(transport, request)
        except FAILURES:
            return origin.connections, False
        assert answer.status_code == 200
        return origin.connections, True


@both_networks
@both_loops
async def test_an_idempotent_request_on_a_used_connection_is_repeated(network: str) -> None:
    for method in IDEMPOTENT:
        for fail in LEAVING:
            assert await tries(send, make_request(method), fail, network=network) == (2, True), (method, fail)
    for body in (b"small", BODY):
        for fail in [*LEAVING, leave_after(0)]:
            assert await tries(stream, make_request("PUT", body=body), fail, network=network) == (2, True), fail


async def test_any_other_request_that_was_sent_is_not_repeated() -> None:
    for method in OTHERS:
        assert await tries(send, make_request(method, body=b"small"), leave) == (1, False), method
    for body in (b"", b"small", BODY):
        for fail in LEAVING:
            assert await tries(stream, make_request("POST", body=body), fail) == (1, False), (len(body), fail)
    assert await tries(send, make_request("POST", body=BODY), leave_after(10)) == (1, False)


async def test_nothing_is_repeated_that_failed_on_a_new_connection() -> None:
    for idle_timeout in (0, 4):
        for fail in LEAVING:
            for method in ("GET", "POST"):
                request = make_request(method, body=b"body")
                assert await tries(send, request, fail, used=False, idle_timeout=idle_timeout) == (1, False)


async def test_nothing_is_repeated_once_a_byte_of_the_response_came() -> None:
    for wire in (b"H", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"garbage\r\n\r\n", response(b"half", length=8)):
        for ask in (send, stream):
            assert await tries(ask, make_request("PUT", body=b"body"), saying(wire)) == (1, False), wire


async def test_a_timeout_is_not_repeated() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.read_request()
        peer.wait_until_gone()

    async with serving(script) as (origin, transport):
        assert await send(transport) == OK_ANSWER
        with pytest.raises(httpx.ReadTimeout):
            await send(transport, timeout=0.01)
    assert (origin.connections, len(origin.requests)) == (1, 2)


async def test_a_request_is_repeated_once_and_then_raises_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge")
    counted: list[WireRequest] = []

    def script(peer: Peer) -> None:
        counted.append(peer.read_request())
        if len(counted) == 1:
            peer.send(OK)
            counted.append(peer.read_request())

    async with serving(script) as (origin, transport):
        assert await send(transport, make_request(target=b"/warm")) == OK_ANSWER
        with pytest.raises(httpx.RemoteProtocolError):
            await send(transport, make_request("PUT", body=b"body"))
    assert [request.line.split()[1] for request in counted] == [b"/warm", b"/", b"/"]
    assert origin.connections == 2
    assert_logged(caplog, ("DEBUG", "PUT", "RemoteProtocolError", "disconnected"))


async def test_a_repetition_does_not_take_another_used_connection() -> None:
    """Every idle connection may be as dead as the one that failed."""
    both_here = threading.Barrier(2)

    def script(peer: Peer) -> None:
        peer.read_request()
        if peer.number < 3:
            both_here.wait(LIMIT)
            peer.send(OK)
            peer.read_request()  # and leave
        else:
            peer.send(OK)

    async with serving(script) as (origin, transport):
        async with anyio.create_task_group() as group:
            group.start_soon(send, transport)
            group.start_soon(send, transport)
        assert await send(transport) == OK_ANSWER
        assert origin.connections == 3
        assert sorted(len(peer.requests) for peer in origin.peers) == [1, 1, 2]


async def test_a_streamed_body_is_never_repeated() -> None:
    """Its beginning is gone."""

    async def body() -> AsyncIterator[bytes]:
        begun.append(1)
        yield b"body"

    begun: list[int] = []
    for method in ("PUT", "GET"):
        request = httpx.Request(method, "http://app.test/", headers={"content-length": "4"}, content=body())
        assert await tries(send, request, leave) == (1, False)
    assert begun == [1, 1]


def dead_after_the_first_answer(closed: threading.Event, head: list[bytes]) -> Script:
    """The first connection is reset after its first answer, or, if `head` has one, once that has been read."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        if peer.number == 1:
            peer.wait_until_read()
            head.extend([peer.read_head().line for _ in head])
            peer.reset()
            closed.set()

    return script


@pytest.mark.parametrize("body", [b"once", b""])
async def test_a_request_of_which_nothing_could_be_sent_is_repeated(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The connection looks alive until it is written to: then even a POST is safe to repeat."""
    monkeypatch.setattr("bridge.proxy.network.SocketStream.get_extra_info", lambda self, info: None)
    closed = threading.Event()
    async with serving(dead_after_the_first_answer(closed, [])) as (origin, transport):
        assert await send(transport) == OK_ANSWER
        await seen(closed)
        assert await send(transport, make_request("POST", body=body)) == OK_ANSWER
    assert [(request.line, request.body) for request in origin.requests] == [
        (b"GET / HTTP/1.1", b""),
        (b"POST / HTTP/1.1", body),
    ]


async def test_a_request_whose_head_was_sent_is_not_repeated_although_nothing_of_its_body_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server may act on the head: an ASGI server calls the application then."""
    write = SocketStream.write
    writes: list[int] = []

    async def write_and_wait(self: SocketStream, buffer: bytes, **options: Any) -> None:
        await write(self, buffer, **options)
        writes.extend([len(buffer)] if buffer else [])
        if len(writes) == 2:  # the head of the second request
            await seen(closed)

    monkeypatch.setattr(SocketStream, "write", write_and_wait)
    for method in ("POST", "PATCH", "DO"):
        closed = threading.Event()
        writes.clear()
        heads = [b""]
        async with serving(dead_after_the_first_answer(closed, heads)) as (origin, transport):
            assert await send(transport) == OK_ANSWER
            with pytest.raises(FAILURES):
                await send(transport, make_request(method, body=b"once"))
        assert (origin.connections, len(writes), heads[1:]) == (1, 2, [b"%s / HTTP/1.1" % method.encode()])


# What cannot be repeated avoids connections that may be about to close


async def bodies() -> AsyncIterator[bytes]:
    yield b"body"


async def test_only_a_repeatable_request_uses_a_connection_that_was_idle_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 5_000.0
    monkeypatch.setattr("bridge.proxy.network.time", SimpleNamespace(monotonic=lambda: clock, time=lambda: clock))
    length = {"content-length": "4"}
    streamed = [httpx.Request(each, "http://app.test/", headers=length, content=bodies()) for each in ("PUT", "POST")]
    expecting = make_request("POST", headers=[(b"host", b"app.test"), (b"expect", b"100-continue")], body=b"body")
    for request, idle, connections in (
        (make_request("GET"), 3.9, 1),
        (make_request("PUT", body=b"body"), 3.9, 1),
        *((make_request(method, body=b"body"), 1.1, 2) for method in OTHERS),
        *((make_request(method, body=b"body"), 0.9, 1) for method in OTHERS),
        (make_request("POST"), 1.1, 2),
        (expecting, 1.1, 2),
        *((request, 1.1, 2) for request in streamed),
    ):
        async with serving(answering(OK)) as (origin, transport):
            assert await send(transport) == OK_ANSWER
            clock += idle
            assert await send(transport, request) == OK_ANSWER
            assert origin.connections == connections, (request.method, idle)
            if connections == 2:  # a server that serves one connection at a time need not wait for the first
                await seen(origin.peers[0].gone)
