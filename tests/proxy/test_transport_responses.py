"""What comes back from a web server that does nothing wrong: whole, and in parts as they come."""

import threading
from contextlib import aclosing

import anyio
import pytest

from tests.proxy.origins import (
    OK,
    OK_ANSWER,
    Answer,
    Origin,
    Peer,
    answering,
    both_networks,
    make_request,
    parts_of,
    response,
    seen,
    send,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

SIX_MB = b"".join(b"%07d\n" % number for number in range(786_432))

both_ways = pytest.mark.parametrize("ask", [send, stream])


async def answer_to(wire: bytes, method: str = "GET", *, closes: bool = False) -> Answer:
    """What the caller gets of a response; it is the same streamed and buffered, and over both networks."""

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


async def test_a_response_with_content_length() -> None:
    assert await answer_to(response(b"body", b"X-A: 1")) == Answer(
        200, [(b"content-length", b"4"), (b"x-a", b"1")], b"body"
    )


async def test_a_response_in_chunks() -> None:
    wire = (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
        b'4\r\nbody\r\nA;ext="1"\r\n0123456789\r\n000\r\nx-sum: 1\r\n\r\n'
    )
    assert await answer_to(wire) == Answer(201, [], b"body0123456789")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_response_that_ends_with_its_connection(version: bytes) -> None:
    wire = b"HTTP/%s 200 OK\r\nconnection: close\r\nx: 1\r\n\r\n" % version + b"body" * 50_000
    assert await answer_to(wire, closes=True) == Answer(200, [(b"x", b"1")], b"body" * 50_000)


async def test_a_response_of_http_1_0_with_content_length() -> None:
    assert await answer_to(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody") == Answer(
        200, [(b"content-length", b"4")], b"body"
    )


async def test_a_response_to_head_has_the_headers_of_one_to_get() -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: x\r\n\r\n"
    assert await answer_to(wire, "HEAD") == Answer(200, [(b"content-length", b"1000"), (b"etag", b"x")], b"")
    assert await answer_to(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "HEAD") == Answer(200, [], b"")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("lengths", [[], [b"1000"]])
async def test_a_response_without_body_by_its_status(status: bytes, lengths: list[bytes]) -> None:
    head = b"HTTP/1.1 " + status + b"".join(b"\r\ncontent-length: " + length for length in lengths) + b"\r\n\r\n"
    assert await answer_to(head) == Answer(int(status[:3]), [(b"content-length", each) for each in lengths], b"")


async def test_informational_responses_are_passed_over() -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK
    assert await answer_to(wire) == OK_ANSWER


@pytest.mark.parametrize("status", [b"200", b"299 ", b"599 Caf\xe9", b"404 Not  Found"])
async def test_any_reason_or_none(status: bytes) -> None:
    assert (await answer_to(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")).status_code == int(status[:3])


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


async def test_no_hop_by_hop_header_comes_back() -> None:
    headers = [
        b"Connection: keep-alive, X-Hop",
        b"Keep-Alive: timeout=5",
        b"X-Hop: 1",
        b"Upgrade: h2c",
        b"Proxy-Authenticate: Basic",
        b"Trailer: x",
        b"X-Kept: 1",
    ]
    assert await answer_to(response(b"", *headers)) == Answer(200, [(b"content-length", b"0"), (b"x-kept", b"1")], b"")


async def test_a_content_length_beside_chunks_does_not_count_and_does_not_come_back() -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    assert await answer_to(wire) == Answer(200, [], b"body")


async def test_an_encoded_body_stays_encoded() -> None:
    wire = response(b"\x1f\x8bnot really", b"content-encoding: gzip")
    assert (await answer_to(wire)).body == b"\x1f\x8bnot really"


# Streams


@both_networks
async def test_a_part_arrives_before_the_next_one_is_sent(network: str) -> None:
    arrived = [threading.Event() for _ in range(4)]

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number, event in enumerate(arrived):
            assert event.wait(20)
            peer.send(b"1\r\n%d\r\n" % number)
        peer.send(b"0\r\n\r\n")

    with Origin(script, network) as origin, anyio.fail_after(20):
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            parts = parts_of(result)
            for number, event in enumerate(arrived):
                event.set()
                assert await anext(parts) == b"%d" % number
            with pytest.raises(StopAsyncIteration):
                await anext(parts)
            await result.aclose()


@pytest.mark.parametrize("parts_read", [None, 0, 1, 2])
@both_networks
async def test_leaving_a_response_early_closes_its_connection(network: str, parts_read: int | None) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"4\r\npart\r\n")
            peer.socket.settimeout(0.001)
            try:
                peer.receive()
            except TimeoutError:
                peer.socket.settimeout(20)

    with Origin(script, network) as origin, anyio.fail_after(20):
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            if parts_read is not None:
                parts = parts_of(result)
                for _ in range(parts_read):
                    await anext(parts)
            await result.aclose()
            await seen((await origin.peer(0)).gone)


@both_networks
async def test_leaving_after_the_last_byte_but_before_the_end_is_as_safe(network: str) -> None:
    with Origin(answering(OK), network) as origin:
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

    with Origin(script) as origin, anyio.fail_after(20):
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

    with Origin(script) as origin:
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            parts = parts_of(result)
            with anyio.move_on_after(0.05) as scope:
                while True:
                    await anext(parts)
            assert scope.cancelled_caught
            await result.aclose()
