"""One stream of an invocation, on its connection: whole parts, also after a cancellation, and one end."""

import asyncio
import base64
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import anyio
import pytest

from bridge.errors import ClientDisconnected, ResultTooLarge, RuntimeApiGone
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.vocabulary import NEXT, Invocation
from bridge.runtime.invocations.stream_format import MAX_PRELUDE, MAX_TRAILER, error_trailers
from bridge.runtime.invocations.streaming import StreamedAnswer
from tests.runtime import double
from tests.runtime.double import RuntimeDouble

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_unclosed")]

PRELUDE = {"statusCode": 200, "headers": {"a": "1"}, "cookies": []}
DOCUMENT = {"errorType": "ValueError", "errorMessage": "oops", "requestId": "1", "stackTrace": ["  File x\n"]}

Queued = tuple[double.Invocation, StreamedAnswer]


@pytest.fixture
def connection(api: RuntimeDouble) -> Iterator[Connection]:
    connection = Connection(parse_address(api.address), user_agent="test")
    yield connection
    connection.close()


@pytest.fixture
async def stream(api: RuntimeDouble, connection: Connection) -> AsyncIterator[Callable[..., Any]]:
    streams: list[StreamedAnswer] = []

    async def start(**options: Any) -> Queued:
        queued = api.invoke(1, **options)
        invocation = Invocation(await connection.request(b"GET", NEXT, []))
        streams.append(StreamedAnswer(connection, invocation))
        return queued, streams[-1]

    yield start
    for each in streams:
        each.close()


# More than the kernel accepts without a reader.
LARGE = bytes(range(256)) * 65536


async def whole(queued: double.Invocation) -> double.Answer:
    return await asyncio.to_thread(queued.answer)


async def cut_off(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run it until it waits, and cancel it then."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_stream_has_the_headers_and_the_frames_that_lambda_documents(
    connection: Connection, stream: Callable[..., Any]
) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.send(b"one")
    await streamed.send(b"two")
    reply = await streamed.finish()
    answer = await whole(queued)
    assert reply.status == 202
    assert answer.headers == {
        "host": answer.headers["host"],
        "user-agent": "test",
        "transfer-encoding": "chunked",
        "lambda-runtime-function-response-mode": "streaming",
        "content-type": "application/vnd.awslambda.http-integration-response",
        "trailer": answer.headers["trailer"],
    }
    assert [data for _, data in answer.chunks] == [json.dumps(PRELUDE).encode() + bytes(8), b"one", b"two"]
    # AWS wants the connection closed after a stream.
    assert not connection.is_open


async def test_a_part_of_nothing_is_no_end(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.send(b"")
    await streamed.send(b"more")
    await streamed.finish()
    answer = await whole(queued)
    assert (answer.payload, answer.is_whole) == (b"more", True)


async def test_a_failed_stream_ends_with_the_error_in_its_trailers(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.send(b"half")
    await streamed.fail(DOCUMENT)
    answer = await whole(queued)
    assert answer.payload == b"half"
    assert answer.trailers == {
        "lambda-runtime-function-error-type": "Function.ValueError",
        "lambda-runtime-function-error-body": base64.b64encode(json.dumps(DOCUMENT).encode()).decode(),
    }


async def test_of_a_long_error_the_innermost_calls_are_kept(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    lines = [f'  File "app.py", line {number}, in f\n' for number in range(1000)]
    await streamed.fail(DOCUMENT | {"errorMessage": "long " * 10_000, "stackTrace": lines})
    error = (await whole(queued)).error
    assert error["errorMessage"] == ("long " * 10_000)[: len(error["errorMessage"])]
    assert error["stackTrace"] == lines[-len(error["stackTrace"]) :] != []
    assert len(json.dumps(error)) <= MAX_TRAILER


async def test_a_part_goes_out_whole_though_its_sender_was_cancelled_in_the_middle(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    await cut_off(streamed.send(LARGE))
    queued.go_on()
    await streamed.fail(DOCUMENT)
    answer = await whole(queued)
    assert answer.payload == LARGE
    assert answer.error["errorType"] == "ValueError"


async def test_nothing_can_be_sent_behind_the_end(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.finish()
    for again in (streamed.send(b"more"), streamed.finish(), streamed.start(PRELUDE)):
        with pytest.raises(ClientDisconnected):
            await again
    assert (await whole(queued)).payload == b""


async def test_a_caller_that_has_gone_lets_go_of_a_sender_that_waits(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    sender = asyncio.create_task(streamed.send(LARGE))
    await asyncio.to_thread(queued.wait_for, 1000)
    queued.hang_up()
    with anyio.fail_after(30), pytest.raises(ClientDisconnected):
        await sender


async def test_an_end_goes_out_though_whoever_sent_it_was_cancelled(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    await cut_off(streamed.send(LARGE))
    await cut_off(streamed.finish())
    queued.go_on()
    assert (await streamed.replied()).status == 202
    answer = await whole(queued)
    assert (answer.payload, answer.is_whole) == (LARGE, True)


async def test_a_stream_has_one_end_and_all_that_wait_for_it_get_its_reply(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    await cut_off(streamed.send(LARGE))
    ends = [asyncio.create_task(streamed.finish()), asyncio.create_task(streamed.fail(DOCUMENT))]
    await asyncio.sleep(0)
    queued.go_on()
    assert [(await end).status for end in ends] == [202, 202]
    answer = await whole(queued)
    assert (answer.payload, answer.is_whole, answer.trailers) == (LARGE, True, {})


async def test_closing_lets_go_of_all_that_wait(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    waiting = [asyncio.create_task(streamed.send(LARGE))]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(streamed.finish()))
    await asyncio.sleep(0)
    streamed.close()
    for task in waiting:
        with anyio.fail_after(30), pytest.raises(ClientDisconnected):
            await task
    queued.go_on()
    assert not (await whole(queued)).is_whole


@pytest.mark.parametrize("end", ["finish", "close", "hang up"])
async def test_nothing_stays_registered_behind_a_stream(
    connection: Connection, stream: Callable[..., Any], end: str
) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    fd = connection.sock.fileno()
    await cut_off(streamed.send(LARGE))
    gone = asyncio.Event()
    streamed.when_gone(gone.set)
    if end == "hang up":
        await asyncio.to_thread(queued.wait_for, 10)
        queued.hang_up()
        with anyio.fail_after(30):
            await gone.wait()
    else:
        queued.go_on()
    if end == "finish":
        await streamed.finish()
    elif end == "close":
        streamed.close()
        await whole(queued)
    loop = asyncio.get_running_loop()
    assert (loop.remove_reader(fd), loop.remove_writer(fd)) == (False, False)
    assert connection.is_open is (end == "hang up")


async def test_a_connection_that_was_closed_meanwhile_is_replaced(
    api: RuntimeDouble, connection: Connection, stream: Callable[..., Any]
) -> None:
    queued, streamed = await stream()
    api.drop_connections()
    assert connection.is_open
    await streamed.start(PRELUDE)
    await streamed.send(b"all")
    await streamed.finish()
    answer = await whole(queued)
    assert (answer.payload, answer.is_whole) == (b"all", True)


async def test_an_api_that_is_gone_before_the_stream_is_an_error_of_its_own(
    api: RuntimeDouble, stream: Callable[..., Any]
) -> None:
    _, streamed = await stream(may_stay_unanswered=True)
    await asyncio.to_thread(api.stop)
    with pytest.raises(RuntimeApiGone):
        await streamed.start(PRELUDE)
    assert not streamed.is_started


async def test_a_prelude_that_aws_would_not_read_to_its_end_is_refused_before_anything_is_sent(
    stream: Callable[..., Any],
) -> None:
    queued, streamed = await stream()
    rest = MAX_PRELUDE - len(json.dumps(PRELUDE | {"headers": {"a": ""}})) - 8
    message = f"a streamed response have {MAX_PRELUDE + 1} bytes as JSON, and AWS takes {MAX_PRELUDE} at most"
    with pytest.raises(ResultTooLarge, match=message):
        await streamed.start(PRELUDE | {"headers": {"a": "x" * (rest + 1)}})
    longest = PRELUDE | {"headers": {"a": "x" * rest}}
    await streamed.start(longest)
    await streamed.finish()
    answer = await whole(queued)
    assert (answer.prelude, len(answer.body)) == (longest, MAX_PRELUDE)


NAMES = {
    "long": "E" * 5000,
    "odd": "\0\r\n" * 1000,
    "control": "\0" * 5000,
    "wide": "\U0001f4a5" * 256,
    "half": "\\ud800" * 256,
    "lambda's own": "Function." + "E" * 247,
}


async def test_trailers_are_no_larger_than_they_may_be_whatever_the_error_is_called() -> None:
    for name in NAMES.values():
        error = {"errorType": name[:256], "errorMessage": name * 10, "requestId": "x" * 36, "stackTrace": ["x"] * 5000}
        # Go's net/http looks for the end of trailers in 4,096 bytes: names, line ends and all.
        assert len(b"".join(b"%s: %s\r\n" % pair for pair in error_trailers(error)) + b"\r\n") <= 4096


async def test_a_large_part_is_not_copied(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    tracemalloc.start()
    try:
        sender = asyncio.create_task(streamed.send(LARGE))
        await asyncio.sleep(0)
        assert not sender.done()
        assert tracemalloc.get_traced_memory()[1] < len(LARGE) // 16
    finally:
        tracemalloc.stop()
    queued.go_on()
    await sender
    await streamed.finish()
    assert (await whole(queued)).payload == LARGE
