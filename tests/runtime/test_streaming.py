"""One stream of an invocation, on its connection: whole parts, whoever is cancelled, and one end."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from bridge.errors import ClientDisconnected, RuntimeApiGone
from bridge.runtime.api import NEXT, Invocation
from bridge.runtime.connection import Connection, parse_address
from bridge.runtime.streaming import MAX_TRAILER, StreamedAnswer
from tests.runtime import double
from tests.runtime.double import RuntimeDouble

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_unclosed")]

PRELUDE = {"statusCode": 200, "headers": {"a": "1"}, "cookies": []}
DOCUMENT = {"errorType": "ValueError", "errorMessage": "oops", "requestId": "1", "stackTrace": ["  File x\n"]}

Queued = tuple[double.Invocation, StreamedAnswer]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


async def whole(queued: double.Invocation) -> double.Answer:
    return await asyncio.to_thread(queued.answer)


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
    # AWS wants the connection closed behind a stream.
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
    part = bytes(range(256)) * 65536  # 16 MB: more than the kernel takes
    with anyio.move_on_after(0.2) as scope:
        await streamed.send(part)
    assert scope.cancelled_caught
    queued.go_on()
    await streamed.fail(DOCUMENT)
    answer = await whole(queued)
    assert answer.payload == part
    assert answer.error["errorType"] == "ValueError"


async def test_nothing_can_be_sent_behind_the_end(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.finish()
    for again in (streamed.send(b"more"), streamed.finish(), streamed.start(PRELUDE)):
        with pytest.raises(ClientDisconnected):
            await again
    assert (await whole(queued)).payload == b""


async def test_a_caller_that_has_gone_is_noticed_without_anything_being_sent(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    gone = asyncio.Event()
    streamed.when_gone(gone.set)
    await asyncio.to_thread(queued.wait_for, 10)
    queued.hang_up()
    with anyio.fail_after(5):
        await gone.wait()
    assert streamed.is_gone
    with pytest.raises(ClientDisconnected):
        await streamed.send(b"more")
    assert await streamed.early_reply() is None


async def test_a_caller_that_has_gone_lets_go_of_a_sender_that_waits(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream(stop_reading_after=1000)
    await streamed.start(PRELUDE)
    sender = asyncio.create_task(streamed.send(bytes(16 << 20)))
    await asyncio.to_thread(queued.wait_for, 1000)
    queued.hang_up()
    with anyio.fail_after(5), pytest.raises(ClientDisconnected):
        await sender


async def test_an_early_reply_can_be_read(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    gone = asyncio.Event()
    streamed.when_gone(gone.set)
    await streamed.start(PRELUDE)
    await asyncio.to_thread(queued.wait_for, 10)
    queued.answer_early(410)
    with anyio.fail_after(5):
        await gone.wait()
        reply = await streamed.early_reply()
    assert reply is not None
    assert reply.status == 410


async def test_a_stream_that_is_closed_before_its_end_is_no_whole_one(stream: Callable[..., Any]) -> None:
    queued, streamed = await stream()
    await streamed.start(PRELUDE)
    await streamed.send(b"half")
    streamed.close()
    streamed.close()
    assert not (await whole(queued)).is_whole


async def test_an_api_that_is_gone_is_the_end(api: RuntimeDouble, stream: Callable[..., Any]) -> None:
    _, streamed = await stream(may_stay_unanswered=True)
    await streamed.start(PRELUDE)
    await asyncio.to_thread(api.stop)

    async def send_on() -> None:
        while True:
            await streamed.send(b"more")

    with pytest.raises((RuntimeApiGone, ClientDisconnected)):
        await send_on()
