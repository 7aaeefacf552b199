"""What an application can do wrong beyond raising: every call gets its answer, and the log gets the root cause."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import pytest

from bridge import Bridge
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import ApplicationCancelled

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Call = Callable[[ASGIApp, Event], int]

START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"fine"}


def called(app: ASGIApp, event: Event) -> int:
    with closing(Bridge(app, lifespan="off")) as handler:
        status: int = handler(event, None)["statusCode"]
        return status


def handled(app: ASGIApp, event: Event) -> int:
    status: int = asyncio.run(Bridge(app, lifespan="off").handle(event, None))["statusCode"]
    return status


def streamed(app: ASGIApp, event: Event) -> int:
    async def main() -> int:
        with anyio.fail_after(10):
            async with Bridge(app, lifespan="off").stream(event, None) as response:
                async for _ in response.body:
                    pass
                status: int = response.prelude["statusCode"]
                return status

    return asyncio.run(main())


async def awaits_a_cancelled_task(scope: Scope, receive: Receive, send: Send) -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def raises_cancelled_error(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("app", [awaits_a_cancelled_task, raises_cancelled_error])
@pytest.mark.parametrize("call", [called, handled, streamed])
def test_a_cancellation_from_inside_the_application_is_a_500_and_one_line(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, app: ASGIApp, call: Call
) -> None:
    assert call(app, make_event()) == 500
    assert [(record.name, record.levelno, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("bridge", logging.ERROR, str(ApplicationCancelled()), None)
    ]


@pytest.mark.parametrize("way", ["handle", "stream"])
def test_a_cancellation_from_outside_passes_through(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    ended: list[bool] = []

    async def main() -> None:
        running = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            running.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(True)

        handler = Bridge(app, lifespan="off")

        async def call() -> None:
            if way == "handle":
                await handler.handle(make_event(), None)
            else:
                async with handler.stream(make_event(), None):
                    pass

        task = asyncio.create_task(call())
        await asyncio.wait_for(running.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    asyncio.run(main())
    assert ended == [True]
    assert caplog.records == []


@pytest.mark.parametrize("call", [called, handled, streamed])
def test_the_fault_behind_a_broken_protocol_is_in_the_log(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raise KeyError("the fault behind")
        except KeyError:
            await send(BODY)  # An error handler that knows no better.

    assert call(app, make_event()) == 500
    (record,) = caplog.records
    assert record.getMessage() == (
        "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'."
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    assert repr(record.exc_info[1].__context__) == "KeyError('the fault behind')"


@pytest.mark.parametrize("call", [called, handled, streamed])
@pytest.mark.parametrize("messages", [[], [BODY], [START | {"status": "200"}]])
def test_a_broken_protocol_with_nothing_behind_it_is_one_line_without_a_traceback(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call, messages: list[Message]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    assert call(app, make_event()) == 500
    (record,) = caplog.records
    assert record.exc_info is None


def test_the_fault_behind_a_response_that_was_started_twice_is_in_the_log(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            raise KeyError("the fault behind")
        except KeyError:
            await send(START | {"status": 500})
            await send(BODY)

    assert called(app, make_event()) == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    assert repr(record.exc_info[1].__context__) == "KeyError('the fault behind')"


def test_a_head_response_has_no_body_also_if_a_middleware_changes_the_method(make_event: MakeEvent) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["method"] = "GET"
        await send(START)
        await send(BODY)

    async def main() -> tuple[str, list[bytes]]:
        handler = Bridge(app, lifespan="off")
        buffered = await handler.handle(make_event("HEAD"), None)
        async with handler.stream(make_event("HEAD"), None) as response:
            return buffered.get("body", ""), [item async for item in response.body]

    assert asyncio.run(main()) == ("", [])
