"""A web server that does something wrong: an error that names it, never a response that is cut short in silence."""

import threading
from collections.abc import Callable
from contextlib import aclosing

import anyio
import pytest

from bridge._httpx import httpx
from bridge.proxy.restore import NEVER_AGAIN
from bridge.proxy.transport import SocketTransport
from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
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

SIX_MB = bytes(6 << 20)


async def outcome(script: Callable[[Peer], None], network: str = "tcp", idle_timeout: float = 0) -> httpx.HTTPError:
    """Return the error of a POST, which is the same streamed and buffered. Check that the connection is closed."""
    raised = []
    with Origin(script, network) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport(idle_timeout=idle_timeout)) as transport:
            for number, ask in enumerate((send, stream)):
                with pytest.raises(httpx.HTTPError) as caught:
                    await ask(transport, make_request("POST", body=b"body"))
                raised.append(caught.value)
                await seen((await origin.peer(number)).gone)
    assert origin.connections == 2
    assert [(type(exc), str(exc)) for exc in raised[1:]] == [(type(exc), str(exc)) for exc in raised[:1]]
    return raised[0]


def saying(wire: bytes) -> Callable[[Peer], None]:
    """Answer with `wire` and wait for the client to leave."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire)
        peer.wait_until_gone()

    return script


def saying_and_leaving(wire: bytes, *, reset: bool = False) -> Callable[[Peer], None]:
    """Answer with `wire` and end the connection."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire)
        if reset:
            peer.wait_until_read()
            peer.reset()
        peer.close()
        peer.gone.set()

    return script


# Connecting


async def test_a_connection_that_cannot_be_made_is_a_connect_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "bridge")
    with Origin(answering(OK)) as origin:
        origin.refuse()
        for transport in (
            origin.transport(idle_timeout=0),
            origin.transport(idle_timeout=4),
            SocketTransport(uds="/nowhere/app.sock", policy=NEVER_AGAIN),
            SocketTransport(uds="/" + "x" * 200, policy=NEVER_AGAIN),
            SocketTransport(host="nobody.invalid", policy=NEVER_AGAIN),
        ):
            with pytest.raises(httpx.ConnectError):
                await send(transport)
    assert caplog.records == []  # no used connection failed, so nothing is repeated


async def test_a_web_server_that_comes_back_is_used_again() -> None:
    with Origin(answering(OK)) as first:
        transport = first.transport()
        assert await send(transport) == OK_ANSWER
    with pytest.raises(httpx.ConnectError):
        await send(transport)
    with Origin(answering(OK), port=first.port):
        assert await send(transport) == OK_ANSWER
        await transport.aclose()


# The end comes too soon


@both_networks
@both_loops
async def test_the_end_before_or_within_a_head_is_an_error(network: str) -> None:
    for wire in (b"", b"H", b"HTTP/1.1 200 OK\r\n", OK[:-4], b"HTTP/1.1 100 Continue\r\n\r\n"):
        assert isinstance(await outcome(saying_and_leaving(wire), network, 4), httpx.RemoteProtocolError)
    if network == "tcp":
        for wire in (b"", b"HTTP/1.1 200 OK\r\n"):
            assert isinstance(await outcome(saying_and_leaving(wire, reset=True)), httpx.ReadError)


CUT_SHORT = {
    "content-length": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 99,
    "content-length, no body": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
    "http/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 99,
    "chunks, none": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "within a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n012345678",
    "between chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n",
    "before the last line end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    "within a trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: 1\r\n",
}


async def test_a_body_that_is_cut_short_is_an_error() -> None:
    for name, wire in CUT_SHORT.items():
        assert isinstance(await outcome(saying_and_leaving(wire), idle_timeout=4), httpx.RemoteProtocolError), name


async def test_a_reset_within_a_body_is_an_error_whatever_its_frame() -> None:
    for head in (b"", b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n"):
        wire = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n5\r\nab"
        assert isinstance(await outcome(saying_and_leaving(wire, reset=True)), httpx.ReadError), head


@pytest.mark.parametrize("reset", [False, True])
async def test_a_stream_gives_what_came_before_it_broke(reset: bool) -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(response(b"x" * 1000, length=2000))
        assert go_on.wait(LIMIT)
        if reset:
            peer.reset()

    with Origin(script) as origin:
        async with aclosing(origin.transport()) as transport:
            result = await transport.handle_async_request(make_request())
            parts = parts_of(result)
            came = b""
            while len(came) < 1000:
                came += await anext(parts)
            go_on.set()
            with pytest.raises(httpx.ReadError if reset else httpx.RemoteProtocolError):
                await anext(parts)
            await result.aclose()
    assert came == b"x" * 1000


# Answers that are not HTTP


NOT_HTTP = {
    "tls": b"\x15\x03\x01\x00\x02\x02F\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "html": b"<html>\r\n<body>\r\n\r\n",
    "http/0.9": b"just text\n\n",
    "blank lines": b"\r\n\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status in letters": b"HTTP/1.1 OK 200\r\n\r\n",
    "header without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "blank before colon": b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
    "first header folded": b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
    "zero bytes": bytes(1000) + b"\r\n\r\n",
    "switches without being asked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}

BROKEN = {
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok?",
    "two lengths in one": b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok?",
    "negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
    "length with sign": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
    "length in hex": b"HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok",
    "length without end": b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\nok",
    "other coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
    "two codings": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding twice": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ),
    "no chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nok\r\n0\r\n\r\n",
    "negative chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
    "chunk longer than said": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    "chunk size without end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 300_000,
    "broken trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nnonsense\r\n\r\n",
}


# h11's limit is 100 KiB.
LARGE = {
    "a large value": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 60_000,
    "a header without end": b"HTTP/1.1 200 OK\r\n" + b"x" * 300_000,
}


async def test_an_answer_that_is_not_http_is_an_error() -> None:
    for name, wire in (NOT_HTTP | BROKEN | LARGE).items():
        assert isinstance(await outcome(saying(wire)), httpx.RemoteProtocolError), name


async def test_a_header_with_control_bytes_is_an_error() -> None:
    for value in (b"a\x01b", b"a\x7f", b"a\rb"):
        for name in (b"x", b"connection"):
            wire = b"HTTP/1.1 200 OK\r\n" + name + b": " + value + b"\r\ncontent-length: 0\r\n\r\n"
            assert isinstance(await outcome(saying(wire), idle_timeout=4), httpx.RemoteProtocolError), (name, value)


# Timeouts


async def test_a_silent_web_server_is_a_read_timeout_after_the_requests_own_timeout() -> None:
    for wire in (b"", b"HTTP/1.1 200 OK\r\n"):
        with Origin(saying(wire)) as origin:
            async with aclosing(origin.transport()) as transport:
                with pytest.raises(httpx.ReadTimeout):
                    await send(transport, make_request(timeout=0.05))
                await seen((await origin.peer(0)).gone)


async def test_a_web_server_that_does_not_read_is_a_write_timeout() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        assert over.wait(LIMIT)

    over = threading.Event()
    with Origin(script, "unix") as origin:
        async with aclosing(origin.transport()) as transport:
            # To httpcore, it is a write that failed, and a response that may still come.
            with pytest.raises((httpx.WriteTimeout, httpx.ReadTimeout)):
                await send(transport, make_request("POST", body=SIX_MB, timeout=0.05))
        over.set()
