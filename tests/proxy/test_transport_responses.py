"""What comes back from a web server that does nothing wrong: whole, and in parts as they come."""

import threading
from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

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


async def test_a_response_in_chunks() -> None:
    wire = (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
        b'4\r\nbody\r\nA;ext="1"\r\n0123456789\r\n000\r\nx-sum: 1\r\n\r\n'
    )
    assert await answer_to(wire) == Answer(201, [], b"body0123456789")


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

# Method, response, whether the server closes the connection, and the answer.
RESPONSES: list[tuple[str, bytes, bool, Answer]] = [
    *(
        (
            "GET",
            b"HTTP/%s 200 OK\r\nconnection: close\r\nx: 1\r\n\r\n" % version + b"body" * 50_000,
            True,
            Answer(200, [(b"x", b"1")], b"body" * 50_000),
        )
        for version in (b"1.0", b"1.1")
    ),
    (
        "GET",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        False,
        Answer(200, [(b"content-length", b"4")], b"body"),
    ),
    (
        "HEAD",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: x\r\n\r\n",
        False,
        Answer(200, [(b"content-length", b"1000"), (b"etag", b"x")], b""),
    ),
    ("HEAD", CHUNKED, False, Answer(200, [], b"")),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", False, Answer(204, [], b"")),
    (
        "GET",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n",
        False,
        Answer(304, [(b"content-length", b"1000")], b""),
    ),
    (
        "GET",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK,
        False,
        OK_ANSWER,
    ),
    *(
        (
            "GET",
            b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n",
            False,
            Answer(int(status[:3]), [(b"content-length", b"0")], b""),
        )
        for status in (b"200", b"299 ", b"599 Caf\xe9", b"404 Not  Found")
    ),
    (
        "GET",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        False,
        Answer(200, [], b"body"),
    ),
    (
        "GET",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        False,
        OK_ANSWER,
    ),
    (
        "GET",
        response(b"\x1f\x8bnot really", b"content-encoding: gzip"),
        False,
        Answer(200, [(b"content-length", b"12"), (b"content-encoding", b"gzip")], b"\x1f\x8bnot really"),
    ),
]


async def test_every_way_to_end_a_response() -> None:
    found = [await answer_to(wire, method, closes=closes) for method, wire, closes, _ in RESPONSES]
    assert found == [expected for *_, expected in RESPONSES]


async def test_repeated_headers_come_back_repeated_in_order_and_in_lower_case() -> None:
    headers = b"Set-Cookie: a=1\r\nX: \xe9\r\nset-cookie:b=2\r\nX-Empty:\r\nSET-COOKIE: \t a=1 \r\n"
    assert await answer_to(b"HTTP/1.1 200 OK\r\n" + headers + b"content-length: 0\r\n\r\n") == Answer(
        200,
        [
            (b"set-cookie", b"a=1"),
            (b"x", b"\xe9"),
            (b"set-cookie", b"b=2"),
            (b"x-empty", b""),
            (b"set-cookie", b"a=1"),
            (b"content-length", b"0"),
        ],
        b"",
    )


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

    with Origin(script, network) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
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

    with Origin(script) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            if parts_read is not None:
                parts = parts_of(result)
                for _ in range(parts_read):
                    await anext(parts)
            await result.aclose()
            await seen((await origin.peer(0)).gone)


async def test_leaving_after_the_last_byte_but_before_the_end_is_as_safe() -> None:
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            assert await anext(parts_of(result)) == b"ok"
            await result.aclose()
            assert await send(transport) == OK_ANSWER


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

    with Origin(script) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            async with anyio.create_task_group() as group:
                group.start_soon(send, transport)
                await seen(waiting)
                group.cancel_scope.cancel()
            await seen((await origin.peer(0)).gone)
            assert await send(transport) == OK_ANSWER


async def test_a_reader_that_never_waits_lets_others_run() -> None:
    """A server on the same machine may fill the socket as fast as it is read."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        part = bytes(16 << 20)
        while True:
            peer.send(part)

    async def run(turns: list[int]) -> None:
        while len(turns) < 10:
            turns.append(1)
            await anyio.lowlevel.checkpoint()

    with Origin(script) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            parts = parts_of(result)
            others: list[int] = []
            async with anyio.create_task_group() as group:
                group.start_soon(run, others)
                while len(others) < 10:
                    await anext(parts)
            await result.aclose()
