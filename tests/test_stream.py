"""handler.stream(): the prelude first, then the body while the application sends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import StartupFailed, UnsupportedEvent
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

Event = dict[str, Any]
MakeEvent = Callable[..., Event]

BOTH = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])

PLAIN = {"content-type": "text/plain; charset=utf-8"}


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio, which Lambda has alone; one success and one failure are tested on trio, too."""
    return "asyncio"


async def stream(app: ASGIApp, event: Event) -> tuple[dict[str, Any], list[bytes]]:
    async with Bridge(app).stream(event, None) as response:
        return response.prelude, [item async for item in response.body]


async def test_the_prelude_has_status_headers_and_cookies_but_no_length(make_event: MakeEvent) -> None:
    headers = [
        (b"Content-Type", b"text/event-stream"),
        (b"content-length", b"3"),
        (b"vary", b"accept"),
        (b"vary", b"origin"),
        (b"set-cookie", b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
        (b"set-cookie", b"b=2"),
        (b"connection", b"close"),
    ]
    app = sending({"type": "http.response.start", "status": 201, "headers": headers}, part(b"abc"))
    prelude, parts = await stream(app, make_event())
    assert prelude == {
        "statusCode": 201,
        "headers": {"content-type": "text/event-stream", "vary": "accept, origin"},
        "cookies": ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"],
    }
    assert parts == [b"abc"]


@BOTH
async def test_the_prelude_is_there_before_the_body_and_each_part_before_the_next(make_event: MakeEvent) -> None:
    prelude_seen, first_seen = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await prelude_seen.wait()
        await send(part(b"first", more=True))
        await first_seen.wait()
        await send(part(b"second"))

    async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
        prelude_seen.set()
        assert await anext(response.body) == b"first"
        first_seen.set()
        assert [item async for item in response.body] == [b"second"]


@pytest.mark.parametrize("last", [b"3", b""])
async def test_parts_that_several_tasks_send_arrive_in_order(make_event: MakeEvent, last: bytes) -> None:
    async def sent(send: Send, message: Message) -> None:
        await send(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with anyio.create_task_group() as tasks:
            for message in (part(b"1", more=True), part(b"2", more=True), part(last)):
                tasks.start_soon(sent, send, message)
                await anyio.lowlevel.checkpoint()

    async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
        await anyio.wait_all_tasks_blocked()
        assert b"".join([item async for item in response.body]) == b"12" + last


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 103), ("GET", 204), ("GET", 304)])
async def test_a_response_that_can_have_no_body_has_none(make_event: MakeEvent, method: str, status: int) -> None:
    app = sending({**START, "status": status}, part(b"one", more=True), part(b"two"))
    assert await stream(app, make_event(method)) == (
        {"statusCode": status, "headers": {"content-type": "text/plain"}, "cookies": []},
        [],
    )


class Oops(Exception):
    """The application's own."""


async def test_the_body_of_a_failed_head_request_is_empty(make_event: MakeEvent) -> None:
    assert await stream(sending(then=Oops()), make_event("HEAD")) == (
        {"statusCode": 500, "headers": PLAIN, "cookies": []},
        [],
    )


async def test_a_broken_event_is_a_400_and_one_line(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    assert await stream(sending(START), make_event(body={"a": 1})) == (
        {"statusCode": 400, "headers": PLAIN, "cookies": []},
        [b"Bad Request"],
    )
    assert_logged(caplog, ("ERROR", "function-url", "body", "dict"))


async def test_an_event_that_is_no_http_request_is_an_error() -> None:
    with pytest.raises(UnsupportedEvent):
        await stream(sending(START), {"Records": []})


async def test_leaving_early_disconnects_the_application(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await send(START)
        await send(part(b"first", more=True))
        seen.append(await receive())
        try:
            await send(part(b"second", more=True))
        except OSError as exc:
            seen.append(type(exc).__name__)
            raise

    async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
        assert await anext(response.body) == b"first"
    seen.append("left")
    assert seen == [{"type": "http.disconnect"}, "ClientDisconnected", "left"]
    assert_logged(caplog)


@BOTH
async def test_an_error_in_the_block_is_the_callers_own_and_disconnects_the_application(make_event: MakeEvent) -> None:
    disconnected: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await sending(START, part(b"one", more=True), part(b"two", more=True))(scope, receive, send)
        except OSError:
            disconnected.append(True)

    async def read() -> None:
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            assert await anext(response.body) == b"one"
            raise KeyError

    with pytest.raises(KeyError):
        await read()
    assert disconnected == [True]


async def test_a_cancelled_reader_takes_the_application_along(make_event: MakeEvent) -> None:
    ended: list[bool] = []

    async def sleep() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with anyio.CancelScope() as scope:
        async with Bridge(sending(START, then=sleep), lifespan="off").stream(make_event(), None) as response:
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anext(response.body)
    assert scope.cancelled_caught
    assert ended == [True]


async def test_the_first_stream_starts_the_application_and_its_requests_see_the_state(make_event: MakeEvent) -> None:
    app = Journal()
    handler = Bridge(app)
    for _ in range(2):
        async with handler.stream(make_event(), None) as response:
            assert [item async for item in response.body] == [b"1"]
    async with handler:  # Only to run the shutdown.
        pass
    assert app.steps == ["startup", "request", "request", "shutdown"]


async def test_a_failed_startup_fails_the_stream(make_event: MakeEvent) -> None:
    with pytest.raises(StartupFailed, match="no database"):
        await stream(Journal(startup=Oops("no database")), make_event())


# A reader that is cancelled between two parts, and goes on.


async def test_a_reader_that_is_cancelled_and_comes_back_gets_every_part(make_event: MakeEvent) -> None:
    go_on = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(5):
            if number == 1:
                await go_on.wait()
            await send(part(b"%d" % number, more=number < 4))

    async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
        parts = [await anext(response.body)]
        with anyio.CancelScope() as scope:
            scope.cancel()
            parts.append(await anext(response.body))
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                parts.append(await anext(response.body))

            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
            tasks.cancel_scope.cancel()
        parts += [item async for item in response.body]
    assert parts == [b"0", b"1", b"2", b"3", b"4"]


class Generated(httpx.AsyncByteStream):
    """A body whose generator ends for good when its reader is cancelled."""

    def __init__(self, *, close: BaseException | None = None) -> None:
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one"
        await anyio.sleep(3600)

    async def aclose(self) -> None:
        if self._close is not None:
            raise self._close


async def test_a_body_that_does_not_keep_its_parts_never_seems_whole_after_that(make_event: MakeEvent) -> None:
    handler = Handler(httpx.MockTransport(lambda request: httpx.Response(200, stream=Generated())))
    async with handler, handler.stream(make_event(), None) as response:
        assert await anext(response.body) == b"one"
        with anyio.move_on_after(0.01):
            await anext(response.body)
        for _ in range(2):
            with pytest.raises(httpx.StreamError, match="cancelled"):
                await anext(response.body)


@every_case("error", [ValueError("oops"), asyncio.CancelledError(), BaseExceptionGroup("", [asyncio.CancelledError()])])
def test_an_exception_of_the_end_of_a_body_is_logged(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def main() -> None:
        handler = Handler(httpx.MockTransport(lambda request: httpx.Response(200, stream=Generated(close=error))))
        async with handler, handler.stream(make_event(path="/orders"), None) as response:
            assert await anext(response.body) == b"one"

    asyncio.run(main())
    assert_logged(caplog, ("ERROR", "GET /orders"))
