"""A web server that answers before it has read the request: the answer counts, and the upload goes on if it is read."""

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import pytest

from bridge._httpx import httpx
from bridge.proxy import network as _network
from tests.proxy.origins import (
    LIMIT,
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

SIX_MB = bytes(6 << 20)

both_policies = pytest.mark.parametrize("idle_timeout", [0, 4])
both_ways = pytest.mark.parametrize("ask", [send, stream])


@both_networks
async def test_an_early_answer_and_a_close_give_the_answer(network: str) -> None:
    """The close is a reset, because the rest of the request is still unread."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(response(b"too large", b"connection: close", status=b"413 Content Too Large"))

    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            for ask in (send, stream):
                found = await ask(transport, make_request("POST", body=SIX_MB))
                assert found == Answer(413, [(b"content-length", b"9")], b"too large")


@both_networks
async def test_an_early_answer_without_a_close_gives_the_answer(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_network, "EARLY_ANSWER_GRACE", 0.05, raising=False)

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(response(b"too large", status=b"413 Content Too Large"))
        assert left.wait(LIMIT)  # the rest stays unread

    left = threading.Event()
    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
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

    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert (await send(transport, make_request("POST", body=body))).body == body
    assert origin.connections == 1


@both_networks
@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]
)
async def test_an_informational_response_is_no_answer_and_the_upload_may_pause_after_it(
    network: str, interim: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_network, "EARLY_ANSWER_GRACE", 0.05, raising=False)

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(interim)
        peer.wait_until_read()
        pause.wait(0.5)  # ten times as long as an early answer is given
        body = peer.read_exactly(len(SIX_MB))
        peer.send(response(b"%d" % len(body)))
        peer.wait_until_gone()

    pause = threading.Event()
    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert (await send(transport, make_request("POST", body=SIX_MB))).body == b"%d" % len(SIX_MB)


@both_networks
async def test_an_answer_that_began_does_not_end_an_upload_that_pauses(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_network, "EARLY_ANSWER_GRACE", 0.05, raising=False)

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        peer.wait_until_read()
        pause.wait(0.5)
        size = len(peer.read_exactly(len(SIX_MB)))
        peer.send(b"7\r\n%d\r\n0\r\n\r\n" % size)
        peer.wait_until_gone()

    pause = threading.Event()
    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert (await send(transport, make_request("POST", body=SIX_MB))).body == b"%d" % len(SIX_MB)


@both_networks
async def test_a_web_server_that_leaves_during_the_upload_is_an_error(network: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read_exactly(100_000)

    with Origin(script, network, receive_buffer=65536) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport(idle_timeout=0)) as transport:
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await send(transport, make_request("POST", body=SIX_MB))


async def test_a_request_body_that_fails_closes_the_connection_and_raises_its_own_error() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    request = httpx.Request("POST", "http://app.test/", headers={"content-length": "8"}, content=body())
    with Origin(answering(OK)) as origin:
        async with aclosing(origin.transport()) as transport:
            with pytest.raises(ZeroDivisionError):
                await send(transport, request)
            await seen((await origin.peer(0)).gone)
            assert await send(transport) == OK_ANSWER


@both_networks
async def test_an_answer_is_streamed_while_the_request_is_not_read(network: str) -> None:
    """As from an application that streams and never looks at the request: its server reads no more than it must."""
    arrived = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert arrived.wait(LIMIT)
        peer.send(b"4\r\nlast\r\n0\r\n\r\n")
        peer.wait_until_gone()

    with Origin(script, network, receive_buffer=65536) as origin:
        async with aclosing(origin.transport()) as transport:
            try:
                with anyio.fail_after(5):
                    result = await transport.handle_async_request(make_request("POST", body=SIX_MB))
                    parts = parts_of(result)
                    assert await anext(parts) == b"first"
            finally:
                arrived.set()
            assert [part async for part in parts] == [b"last"]
            await result.aclose()


@both_networks
async def test_an_answer_of_a_server_that_never_reads_is_not_kept_in_memory(network: str) -> None:
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
    with Origin(script, network, receive_buffer=65536) as origin:
        async with aclosing(origin.transport()) as transport:
            try:
                with anyio.fail_after(5):
                    result = await transport.handle_async_request(make_request("POST", body=SIX_MB))
                await seen(full)
                await result.aclose()
            finally:
                left.set()
    assert len(sent) < size >> 21
