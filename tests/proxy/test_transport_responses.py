"""What comes back from a web server that does nothing wrong: whole, and in parts as they come."""

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from bridge._httpx import httpx
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Answer,
    Origin,
    Peer,
    answering,
    both_loops,
    both_networks,
    make_request,
    parts_of,
    response,
    seen,
    send,
    serving,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


async def answer_to(wire: bytes, method: str = "GET", *, closes: bool = False) -> Answer:
    """Return the answer to the caller, which is the same streamed and buffered, and over both networks."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire)
        if not closes:
            peer.wait_until_gone()

    found = []
    for network in ("tcp", "unix"):
        with Origin(script, network) as origin:
            for ask in (send, stream):
                async with aclosing(origin.transport()) as transport:
                    found.append(await ask(transport, make_request(method)))
    assert found[1:] == found[:-1]
    return found[0]


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BOTH = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
CHUNKS = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n"
CHUNKS += b'Trailer: x-sum\r\n\r\n4\r\nbody\r\nA;ext="1"\r\n0123456789\r\n000\r\nx-sum: 1\r\n\r\n'
BODY = b"body" * 50_000
SPACED = b"HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length\t: 0\r\n\r\n"
GZIP = b"content-encoding: gzip"


def of_length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


# fmt: off
# Method, response, whether the server closes the connection, and the answer.
RESPONSES: list[tuple[str, bytes, bool, Answer]] = [
    ("GET", CHUNKS, False, Answer(201, [], b"body0123456789")),
    ("GET", b"HTTP/1.0 200 OK\r\nconnection: close\r\nx: 1\r\n\r\n" + BODY, True, Answer(200, [(b"x", b"1")], BODY)),
    ("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\nx: 1\r\n\r\n" + BODY, True, Answer(200, [(b"x", b"1")], BODY)),
    ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody", False, Answer(200, [of_length(4)], b"body")),
    ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", False, Answer(200, [of_length(1000)], b"")),
    ("HEAD", CHUNKED, False, Answer(200, [], b"")),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", False, Answer(204, [], b"")),
    ("GET", b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", False, Answer(204, [], b"")),
    ("GET", SPACED, False, Answer(200, [(b"x", b"1"), of_length(0)], b"")),
    ("GET", response(b"", b"x: 1", b"\t 2 : 3"), False, Answer(200, [of_length(0), (b"x", b"1 2 : 3")], b"")),
    ("head", OK, False, OK_ANSWER),
    ("GET", b"HTTP/1.1 304 Not\r\ncontent-length: 1000\r\n\r\n", False, Answer(304, [of_length(1000)], b"")),
    ("GET", HINTS + OK, False, OK_ANSWER),
    ("GET", b"HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n", False, Answer(299, [of_length(0)], b"")),
    ("GET", b"HTTP/1.1 599 Caf\xe9\r\ncontent-length: 0\r\n\r\n", False, Answer(599, [of_length(0)], b"")),
    ("GET", BOTH + b"2\r\nok\r\n0\r\n\r\n", False, Answer(200, [], b"ok")),
    ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", False, OK_ANSWER),
    ("GET", response(b"zip", GZIP), False, Answer(200, [of_length(3), (b"content-encoding", b"gzip")], b"zip")),
]
# fmt: on


async def test_every_way_to_end_a_response() -> None:
    found = [await answer_to(wire, method, closes=closes) for method, wire, closes, _ in RESPONSES]
    assert found == [expected for *_, expected in RESPONSES]


async def test_repeated_headers_come_back_repeated_in_order_and_in_lower_case() -> None:
    wire = response(b"", b"Set-Cookie: a=1", b"X: \xe9", b"set-cookie:b=2", b"X-Empty:", b"SET-COOKIE: \t a=1 ")
    cookies = [(b"set-cookie", b"a=1"), (b"x", b"\xe9"), (b"set-cookie", b"b=2"), (b"x-empty", b"")]
    assert await answer_to(wire) == Answer(200, [of_length(0), *cookies, (b"set-cookie", b"a=1")], b"")


# Streams


@both_networks
async def test_a_part_arrives_before_the_next_one_is_sent(network: str) -> None:
    arrived = [threading.Event() for _ in range(4)]

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number, event in enumerate(arrived):
            assert event.wait(LIMIT)
            peer.send(b"1\r\n%d\r\n" % number)
        peer.send(b"0\r\n\r\n")

    async with serving(script, network) as (_, transport):
        result = await transport.handle_async_request(make_request())
        parts = parts_of(result)
        for number, event in enumerate(arrived):
            event.set()
            assert await anext(parts) == b"%d" % number
        with pytest.raises(StopAsyncIteration):
            await anext(parts)
        await result.aclose()


@pytest.mark.parametrize("parts_read", [None, 0, 2])
@both_loops
async def test_leaving_a_response_early_closes_its_connection(parts_read: int | None) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"4\r\npart\r\n")
            peer.socket.settimeout(0.001)
            try:
                peer.receive()
            except TimeoutError:
                peer.socket.settimeout(LIMIT)

    async with serving(script) as (origin, transport):
        result = await transport.handle_async_request(make_request())
        if parts_read is not None:
            parts = parts_of(result)
            for _ in range(parts_read):
                await anext(parts)
        await result.aclose()
        await seen((await origin.peer(0)).gone)


@pytest.mark.parametrize("reads_head", [False, True])
async def test_a_cancelled_request_closes_its_connection(reads_head: bool) -> None:
    waiting = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        if peer.number == 1:
            if reads_head:
                peer.send(OK[:-1])
            waiting.set()
            peer.wait_until_gone()
        peer.send(OK)

    async with serving(script) as (origin, transport):
        async with anyio.create_task_group() as group:
            group.start_soon(send, transport)
            await seen(waiting)
            group.cancel_scope.cancel()
        await seen((await origin.peer(0)).gone)
        assert await send(transport) == OK_ANSWER


# A web server that answers before it has read the request: the answer counts, and the upload goes on if it is read


SIX_MB = b"".join(b"%07d\n" % number for number in range(786_432))


@both_networks
@both_loops
async def test_an_answer_before_the_end_of_the_request_is_the_answer_with_and_without_a_close(network: str) -> None:
    """The close is a reset, because the rest of the request is still unread."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(response(b"too large", status=b"413 Content Too Large"))
        if peer.number > 1:
            assert left.wait(LIMIT)  # the rest stays unread

    left = threading.Event()
    async with serving(script, network, receive_buffer=65536) as (_, transport):
        found = [await ask(transport, make_request("POST", body=SIX_MB)) for ask in (send, send, stream)]
        left.set()
    assert found == [Answer(413, [of_length(9)], b"too large")] * 3


@both_networks
async def test_an_early_answer_does_not_end_an_upload_that_goes_on(network: str) -> None:
    """6 MB come back while they are still being sent: neither side may wait for the other to finish."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(SIX_MB))
        size = 0
        while size < len(SIX_MB):
            data = peer.receive()
            size += len(data)
            peer.send(data)
        peer.wait_until_gone()

    async with serving(script, network, receive_buffer=65536) as (origin, transport):
        assert (await send(transport, make_request("POST", body=SIX_MB))).body == SIX_MB
    assert origin.connections == 1


EARLY = [
    (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", response(b"6291456")),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"7\r\n6291456\r\n0\r\n\r\n"),
]


async def six_megabytes() -> AsyncIterator[bytes]:
    for start in range(0, len(SIX_MB), 1 << 20):
        yield SIX_MB[start : start + (1 << 20)]


@pytest.mark.parametrize(("early", "late"), EARLY)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_response_that_began_does_not_end_an_upload(early: bytes, late: bytes, is_streamed: bool) -> None:
    """The web server reads the rest of the request only after the client has seen the beginning of its answer."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(early)
        peer.wait_until_read()
        bodies.append(peer.read_exactly(len(SIX_MB)))
        peer.send(late)
        peer.wait_until_gone()

    bodies: list[bytes] = []
    request: httpx.Request = make_request("POST", body=SIX_MB)
    if is_streamed:
        headers = {"content-length": str(len(SIX_MB))}
        request = httpx.Request("POST", "http://app.test/", headers=headers, content=six_megabytes())
    async with serving(script, receive_buffer=65536) as (_, transport):
        assert (await send(transport, request)).body == b"6291456"
    assert bodies == [SIX_MB]


async def test_a_request_body_that_fails_closes_the_connection_and_raises_its_own_error() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    request = httpx.Request("POST", "http://app.test/", headers={"content-length": "8"}, content=body())
    async with serving(answering(OK)) as (origin, transport):
        with pytest.raises(ZeroDivisionError):
            await send(transport, request)
        await seen((await origin.peer(0)).gone)
        assert await send(transport) == OK_ANSWER


async def test_an_answer_of_a_server_that_never_reads_is_not_kept_in_memory() -> None:
    """As much as the reader takes is sent, and no more."""
    size = 256 << 20

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        peer.socket.settimeout(0.5)
        try:
            for _ in range(size >> 20):
                peer.socket.sendall(bytes(1 << 20))
                sent.append(1)
        except TimeoutError:
            full.set()
        assert left.wait(LIMIT)

    sent: list[int] = []
    full, left = threading.Event(), threading.Event()
    async with serving(script, receive_buffer=65536) as (_, transport):
        try:
            with anyio.fail_after(LIMIT):
                result = await transport.handle_async_request(make_request("POST", body=SIX_MB))
            await seen(full)
            await result.aclose()
        finally:
            left.set()
    assert len(sent) < size >> 21
