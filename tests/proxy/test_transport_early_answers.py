"""A web server that answers before it has read the request: the answer counts, and the upload goes on if it is read."""

import threading
from collections.abc import AsyncIterator

import anyio
import pytest

from bridge._httpx import httpx
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Answer,
    Peer,
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

SIX_MB = bytes(6 << 20)


@both_networks
async def test_an_early_answer_and_a_close_give_the_answer(network: str) -> None:
    """The close is a reset, because the rest of the request is still unread."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(response(b"too large", b"connection: close", status=b"413 Content Too Large"))

    async with serving(script, network, receive_buffer=65536) as (_origin, transport):
        for ask in (send, stream):
            found = await ask(transport, make_request("POST", body=SIX_MB))
            assert found == Answer(413, [(b"content-length", b"9")], b"too large")


@both_networks
@both_loops
async def test_an_early_answer_without_a_close_gives_the_answer(network: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(response(b"too large", status=b"413 Content Too Large"))
        assert left.wait(LIMIT)  # the rest stays unread

    left = threading.Event()
    async with serving(script, network, receive_buffer=65536) as (_origin, transport):
        found = await send(transport, make_request("POST", body=SIX_MB))
        left.set()
    assert found == Answer(413, [(b"content-length", b"9")], b"too large")


@both_networks
async def test_an_early_answer_does_not_end_an_upload_that_goes_on(network: str) -> None:
    """6 MB come back while they are still being sent: neither side may wait for the other to finish."""
    body = b"".join(b"%07d\n" % number for number in range(786_432))

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        size = 0
        while size < len(body):
            data = peer.receive()
            size += len(data)
            peer.send(data)
        peer.wait_until_gone()

    async with serving(script, network, receive_buffer=65536) as (origin, transport):
        assert (await send(transport, make_request("POST", body=body))).body == body
    assert origin.connections == 1


EARLY = {
    "informational": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", response(b"6291456")),
    "begun": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"7\r\n6291456\r\n0\r\n\r\n"),
}


async def six_megabytes() -> AsyncIterator[bytes]:
    for _ in range(6):
        yield bytes(1 << 20)


@pytest.mark.parametrize(("early", "late"), EARLY.values(), ids=EARLY)
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
    async with serving(script, receive_buffer=65536) as (_origin, transport):
        assert (await send(transport, request)).body == b"6291456"
    assert bodies == [SIX_MB]


@both_networks
async def test_a_web_server_that_leaves_during_the_upload_is_an_error(network: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_exactly(100_000)

    async with serving(script, network, receive_buffer=65536, idle_timeout=0) as (_origin, transport):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await send(transport, make_request("POST", body=SIX_MB))


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
    async with serving(script, receive_buffer=65536) as (_origin, transport):
        try:
            with anyio.fail_after(LIMIT):
                result = await transport.handle_async_request(make_request("POST", body=SIX_MB))
            await seen(full)
            await result.aclose()
        finally:
            left.set()
    assert len(sent) < size >> 21
