"""What the API says to a stream, byte by byte, and when."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from bridge.errors import ClientDisconnected
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.http import Reply
from bridge.runtime.api.vocabulary import Invocation
from bridge.runtime.invocations.streaming import StreamedAnswer
from tests.proxy.origins import Origin, Peer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_unclosed")]

PRELUDE = {"statusCode": 200, "headers": {}, "cookies": []}
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\ntrue"
LATE = b"HTTP/1.1 410 Gone\r\ncontent-length: 4\r\n\r\nlate"

# More than the kernel accepts without a reader.
LARGE = bytes(16 << 20)


@asynccontextmanager
async def stream_to(script: Callable[[Peer], None]) -> AsyncIterator[tuple[StreamedAnswer, asyncio.Event]]:
    """Yield a stream that was started, and an event that is set once its reader has gone. `script` is the API."""
    invocation = Invocation(Reply(200, {b"lambda-runtime-aws-request-id": b"1"}, b""))
    with Origin(script) as api:
        connection = Connection(parse_address(f"127.0.0.1:{api.port}"), user_agent="test")
        streamed = StreamedAnswer(connection, invocation)
        gone = asyncio.Event()
        streamed.when_gone(gone.set)
        await streamed.start(PRELUDE)
        try:
            with anyio.fail_after(30):
                yield streamed, gone
        finally:
            streamed.close()


async def is_over(end: Awaitable[Reply]) -> bool:
    try:
        await end
    except ClientDisconnected:
        return True
    return False


async def test_a_reply_that_comes_in_many_pieces_is_one() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        for byte in ACCEPTED:
            peer.send(bytes([byte]))
            peer.wait_until_read()

    async with stream_to(script) as (streamed, gone):
        assert (await streamed.finish())[::2] == (202, b"true")
        assert not gone.is_set()


async def test_an_early_reply_counts_once_it_is_whole() -> None:
    goes_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_until(b"\0" * 8)
        peer.send(LATE[:-1])
        peer.wait_until_read()
        peer.read_until(b"part")
        goes_on.wait(30)
        peer.send(LATE[-1:])
        peer.wait_until_gone()

    async with stream_to(script) as (streamed, gone):
        await streamed.send(b"part")
        assert not streamed.is_gone
        goes_on.set()
        await gone.wait()
        assert streamed.reply is not None
        assert (streamed.reply.status, streamed.reply.body) == (410, b"late")
        with pytest.raises(ClientDisconnected):
            await streamed.send(b"part")


async def test_an_early_reply_is_known_though_the_connection_is_reset_behind_it() -> None:
    def script(peer: Peer) -> None:
        peer.read_until(b"\0" * 8)
        peer.send(LATE)
        peer.wait_until_read()
        peer.reset()

    async with stream_to(script) as (streamed, gone):
        sender = asyncio.create_task(streamed.send(LARGE))
        await gone.wait()
        assert await is_over(sender)  # type: ignore[arg-type]
        assert streamed.reply is not None
        assert streamed.reply.status == 410


async def test_a_reply_to_the_end_is_no_early_one_however_slowly_the_end_goes_out() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(ACCEPTED)

    for _ in range(5):
        async with stream_to(script) as (streamed, gone):
            sender = asyncio.create_task(streamed.send(LARGE))
            await asyncio.sleep(0)
            assert (await streamed.finish()).status == 202
            await sender
            assert not gone.is_set()


BREAKS: dict[str, Callable[[Peer], None]] = {
    "closed": Peer.close,
    "reset": Peer.reset,
    "half a reply": lambda peer: peer.send(ACCEPTED[:-1]),
    "no reply": lambda peer: peer.send(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "too much": lambda peer: peer.send(ACCEPTED + b"?"),
}


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
async def test_a_connection_that_breaks_before_the_reply_is_a_caller_that_has_gone(
    breaks: Callable[[Peer], None],
) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        breaks(peer)

    async with stream_to(script) as (streamed, gone):
        assert await is_over(streamed.finish())
        assert (gone.is_set(), streamed.is_gone, streamed.reply) == (True, True, None)


@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
async def test_a_connection_that_breaks_in_the_middle_is_a_caller_that_has_gone(
    breaks: Callable[[Peer], None],
) -> None:
    def script(peer: Peer) -> None:
        peer.read_until(b"\0" * 8)
        breaks(peer)

    async with stream_to(script) as (streamed, gone):
        await gone.wait()
        assert (streamed.is_gone, streamed.reply) == (True, None)
        for send in (streamed.send(b"part"), streamed.finish(), streamed.fail({"errorType": "E"})):
            with pytest.raises(ClientDisconnected):
                await send
