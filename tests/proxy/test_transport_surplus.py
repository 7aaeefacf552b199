"""More bytes than a response announced: they are nobody's answer."""

import threading
from contextlib import aclosing

import anyio
import pytest

from tests.proxy.origins import (
    LIMIT,
    OK,
    OK_ANSWER,
    Answer,
    Ask,
    Origin,
    Peer,
    answering,
    make_request,
    response,
    seen,
    send,
    stream,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

SIX_MB = bytes(6 << 20)

both_policies = pytest.mark.parametrize("idle_timeout", [0, 4])
both_ways = pytest.mark.parametrize("ask", [send, stream])


STOLEN = response(b"stolen", status=b"203 Stolen")

SURPLUS = {
    "one byte": b"x",
    "a line end": b"\r\n",
    "text": b"more of the body",
    "a response": STOLEN,
    "half a response": STOLEN[:-3],
    "half a head": b"HTTP/1.1 203 Stolen\r\nx-stolen: ",
    "half a status line": b"HTTP/1.1 203 ",
    "an informational response": b"HTTP/1.1 103 Early Hints\r\nlink: <stolen>\r\n\r\n",
    "a response that swallows": b"HTTP/1.1 203 Stolen\r\ncontent-length: 1000\r\n\r\n",
    "a response to its end": b"HTTP/1.1 203 Stolen\r\n\r\n",
}

ENDS = {
    "content-length": ("GET", OK, OK_ANSWER),
    "chunks": (
        "GET",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Answer(200, [], b"ok"),
    ),
    "no content": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, [], b"")),
    "head": (
        "HEAD",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        Answer(200, [(b"content-length", b"9")], b""),
    ),
    "line feeds": (
        "GET",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        OK_ANSWER,
    ),
    "informational": ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, OK_ANSWER),
}

every_surplus = pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
every_end = pytest.mark.parametrize(("method", "wire", "expected"), ENDS.values(), ids=ENDS)


@every_surplus
@every_end
@both_ways
async def test_what_comes_behind_a_response_never_answers_the_next_request(
    ask: Ask, method: str, wire: bytes, expected: Answer, surplus: bytes
) -> None:
    own = response(b"my own", b"x-mine: 1", status=b"202 Accepted")

    def script(peer: Peer) -> None:
        if peer.read_request().line.startswith(method.encode() + b" /first"):
            peer.send(wire + surplus)
            peer.read_request()
        peer.send(own)

    with Origin(script) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert await ask(transport, make_request(method, b"/first")) == expected
            found = await ask(transport, make_request("POST", b"/next", body=b"once"))
    assert found == Answer(202, [(b"content-length", b"6"), (b"x-mine", b"1")], b"my own")
    assert [request.line for request in origin.requests][1:] == [b"POST /next HTTP/1.1"]


@every_surplus
async def test_what_comes_late_behind_a_response_never_answers_the_next_request(surplus: bytes) -> None:
    read, sent = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        if peer.number == 1:
            assert read.wait(LIMIT)
            peer.send(surplus)
            sent.set()
            peer.read_request()
            peer.send(STOLEN)

    with Origin(script) as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert await send(transport) == OK_ANSWER
            read.set()
            await seen(sent)
            assert await send(transport, make_request("POST", body=b"once")) == OK_ANSWER
    assert (origin.connections, len(origin.requests)) == (2, 2)


async def test_a_surplus_is_logged_with_what_was_announced(caplog: pytest.LogCaptureFixture) -> None:
    with Origin(answering(OK + b"surplus")) as origin:
        async with aclosing(origin.transport()) as transport:
            assert await send(transport) == OK_ANSWER
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "The web server sent more than the 2 bytes that its response announced: they were dropped.")
    ]


@pytest.mark.parametrize("first_size", [65536, 1000])
async def test_a_second_answer_during_the_upload_never_answers_the_next_request(first_size: int) -> None:
    """Both come while the request is still being sent, and only the first one is read."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    size = first_size - len(head % first_size)
    first = response(b"f" * size, length=size)
    assert len(first) <= first_size

    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.read_head()
            peer.send(first)
            peer.wait_until_read()
            peer.send(STOLEN)
            peer.wait_until_read()
            peer.read_exactly(len(SIX_MB))
        peer.read_request()
        peer.send(OK)

    with Origin(script, "unix") as origin, anyio.fail_after(LIMIT):
        async with aclosing(origin.transport()) as transport:
            assert (await send(transport, make_request("POST", body=SIX_MB))).body == b"f" * size
            assert await send(transport, make_request("POST", body=b"once")) == OK_ANSWER
