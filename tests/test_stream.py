"""handler.stream(): the prelude first, then the body while the application sends it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from bridge import Bridge
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.errors import ApplicationCancelled, IncompleteResponse, StartupFailed, UnexpectedMessage, UnsupportedEvent

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
Logged = Callable[[], list[tuple[int, str, type[BaseException] | None]]]

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
PLAIN = {"content-type": "text/plain; charset=utf-8"}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def sending(*messages: Message, then: BaseException | None = None) -> ASGIApp:
    """An application without lifespan that sends `messages`, and then returns or raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for message in messages:
                await send(message)
            if then is not None:
                raise then

    return app


async def read_into(parts: list[bytes], body: AsyncIterator[bytes]) -> None:
    """Keep what was read also if the body breaks off."""
    async for item in body:
        parts.append(item)  # noqa: PERF401


async def stream(app: ASGIApp, event: Event) -> tuple[dict[str, Any], list[bytes]]:
    with anyio.fail_after(10):
        async with Bridge(app).stream(event, None) as response:
            return response.prelude, [item async for item in response.body]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """The lines that the package logged: level, message and type of the exception."""

    def lines() -> list[tuple[int, str, type[BaseException] | None]]:
        records = [record for record in caplog.records if record.name == "bridge"]
        return [(record.levelno, record.getMessage(), (record.exc_info or (None,))[0]) for record in records]

    return lines


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
    app = sending({"type": "http.response.start", "status": 201, "headers": headers}, part(b"abc", more=False))
    prelude, parts = await stream(app, make_event())
    assert prelude == {
        "statusCode": 201,
        "headers": {"content-type": "text/event-stream", "vary": "accept, origin"},
        "cookies": ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"],
    }
    assert parts == [b"abc"]


async def test_the_prelude_is_there_before_the_body_and_each_part_before_the_next(make_event: MakeEvent) -> None:
    prelude_seen, first_seen = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await prelude_seen.wait()
        await send(part(b"first"))
        await first_seen.wait()
        await send(part(b"second", more=False))

    with anyio.fail_after(5):
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            prelude_seen.set()
            assert await anext(response.body) == b"first"
            first_seen.set()
            assert [item async for item in response.body] == [b"second"]


async def test_a_slow_reader_holds_the_application(make_event: MakeEvent) -> None:
    sent: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for body in (b"1", b"2", b"3"):
            await send(part(body))
            sent.append(body)
        await send(part(b"", more=False))

    with anyio.fail_after(5):
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            await anyio.wait_all_tasks_blocked()
            assert sent == []
            assert await anext(response.body) == b"1"
            await anyio.wait_all_tasks_blocked()
            assert sent == [b"1"]
            assert [item async for item in response.body] == [b"2", b"3"]


async def test_bytes_are_passed_on_as_they_are(make_event: MakeEvent) -> None:
    _, parts = await stream(sending(START, part(b"\xff\x00"), part(b"\xc3"), part(b"\xa9", more=False)), make_event())
    assert parts == [b"\xff\x00", b"\xc3", b"\xa9"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("head", 200), ("GET", 204), ("GET", 304)])
async def test_a_response_that_can_have_no_body_has_none(make_event: MakeEvent, method: str, status: int) -> None:
    app = sending(START | {"status": status}, part(b"one"), part(b"two", more=False))
    assert await stream(app, make_event(method)) == (
        {"statusCode": status, "headers": {"content-type": "text/plain"}, "cookies": []},
        [],
    )


async def test_the_application_ends_before_the_block_does(make_event: MakeEvent) -> None:
    steps: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"all", more=False))
        await anyio.wait_all_tasks_blocked()
        steps.append("background work")

    with anyio.fail_after(5):
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            assert [item async for item in response.body] == [b"all"]
        steps.append("left")
    assert steps == ["background work", "left"]


class Oops(Exception):
    """The application's own."""


async def test_an_application_that_raises_before_the_start_is_a_500_and_one_line(
    make_event: MakeEvent, logged: Logged
) -> None:
    assert await stream(sending(then=Oops()), make_event()) == (
        {"statusCode": 500, "headers": PLAIN, "cookies": []},
        [b"Internal Server Error"],
    )
    assert logged() == [(logging.ERROR, "The application raised Oops.", Oops)]


async def test_the_body_of_a_failed_head_request_is_empty(make_event: MakeEvent) -> None:
    assert await stream(sending(then=Oops()), make_event("HEAD")) == (
        {"statusCode": 500, "headers": PLAIN, "cookies": []},
        [],
    )


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        ([], "Expected the ASGI application to send 'http.response.start', but it returned without a response."),
        (
            [part(b"x")],
            "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'.",
        ),
        (
            [START | {"headers": [(b"a", b"1\n2")]}, part(b"x", more=False)],
            "Expected the value of response header 'a' to have no control bytes.",
        ),
    ],
    ids=["nothing", "order", "header"],
)
async def test_an_application_that_breaks_the_protocol_before_the_body_is_a_500_and_one_line(
    make_event: MakeEvent, logged: Logged, messages: list[Message], line: str
) -> None:
    prelude, parts = await stream(sending(*messages), make_event())
    assert (prelude["statusCode"], parts) == (500, [b"Internal Server Error"])
    assert logged() == [(logging.ERROR, line, None)]


@pytest.mark.parametrize(
    ("messages", "then", "error"),
    [
        ([], Oops(), Oops),
        ([], None, IncompleteResponse),
        ([START], None, UnexpectedMessage),
    ],
)
async def test_a_failure_in_the_body_is_raised_out_of_it(
    make_event: MakeEvent, messages: list[Message], then: BaseException | None, error: type[Exception]
) -> None:
    parts: list[bytes] = []
    with anyio.fail_after(5):
        app = sending(START, part(b"one"), *messages, then=then)
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            assert response.prelude["statusCode"] == 200
            with pytest.raises(error):
                await read_into(parts, response.body)
    assert parts == [b"one"]


async def test_a_failure_after_the_last_part_is_one_line_in_the_log(make_event: MakeEvent, logged: Logged) -> None:
    _, parts = await stream(sending(START, part(b"all", more=False), then=Oops()), make_event())
    assert parts == [b"all"]
    assert logged() == [(logging.ERROR, "The application failed after its response was complete.", Oops)]


async def test_a_broken_protocol_after_the_last_part_is_one_line_that_says_how(
    make_event: MakeEvent, logged: Logged
) -> None:
    _, parts = await stream(sending(START, part(b"all", more=False), START), make_event())
    assert parts == [b"all"]
    line = "send nothing more, because its response is complete, but got 'http.response.start'."
    assert logged() == [(logging.ERROR, f"Expected the ASGI application to {line}", None)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # where an application can cancel itself
async def test_an_application_that_cancels_itself_is_never_a_response(make_event: MakeEvent, logged: Logged) -> None:
    response, _ = await stream(sending(then=asyncio.CancelledError()), make_event())
    assert response["statusCode"] == 500
    assert logged() == [(logging.ERROR, str(ApplicationCancelled()), None)]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("messages", [[], [START], [START, part(b"one")], [START, part(b"all", more=False)]])
async def test_what_is_no_exception_is_never_swallowed(
    make_event: MakeEvent, logged: Logged, error: type[BaseException], messages: list[Message]
) -> None:
    async def read() -> None:
        async with Bridge(sending(*messages, then=error()), lifespan="off").stream(make_event(), None) as response:
            await read_into([], response.body)

    with anyio.fail_after(5), pytest.raises(error):
        await read()
    assert logged() == []


async def test_a_broken_event_is_a_400_and_one_line(make_event: MakeEvent, logged: Logged) -> None:
    assert await stream(sending(START), make_event(body={"a": 1})) == (
        {"statusCode": 400, "headers": PLAIN, "cookies": []},
        [b"Bad Request"],
    )
    line = "A malformed function-url event: Expected the body to be a string, but got dict."
    assert logged() == [(logging.ERROR, line, None)]


async def test_an_event_that_is_no_http_request_is_an_error() -> None:
    with pytest.raises(UnsupportedEvent):
        await stream(sending(START), {"Records": []})


async def test_leaving_early_disconnects_the_application(make_event: MakeEvent, logged: Logged) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await send(START)
        await send(part(b"first"))
        seen.append(await receive())
        try:
            await send(part(b"second"))
        except OSError as exc:
            seen.append(type(exc).__name__)
            raise

    with anyio.fail_after(5):
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            assert await anext(response.body) == b"first"
        seen.append("left")
    assert seen == [{"type": "http.disconnect"}, "ClientDisconnected", "left"]
    assert logged() == []


async def test_a_body_that_nobody_reads_disconnects_the_application(make_event: MakeEvent, logged: Logged) -> None:
    raised: list[type[BaseException]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send(part(b"all", more=True))
        except OSError as exc:
            raised.append(type(exc))

    with anyio.fail_after(5):
        async with Bridge(app, lifespan="off").stream(make_event(), None):
            await anyio.wait_all_tasks_blocked()
    assert len(raised) == 1
    assert logged() == []


async def test_an_error_in_the_block_is_the_callers_own_and_disconnects_the_application(make_event: MakeEvent) -> None:
    disconnected: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await sending(START, part(b"one"), part(b"two"))(scope, receive, send)
        except OSError:
            disconnected.append(True)

    async def read() -> None:
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            assert await anext(response.body) == b"one"
            raise KeyError

    with anyio.fail_after(5), pytest.raises(KeyError):
        await read()
    assert disconnected == [True]


async def test_a_cancelled_reader_takes_the_application_along(make_event: MakeEvent) -> None:
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with anyio.fail_after(4), anyio.move_on_after(0.01) as scope:
        async with Bridge(app, lifespan="off").stream(make_event(), None) as response:
            async for _ in response.body:
                pass
    assert scope.cancelled_caught
    assert ended == [True]


async def test_streams_run_side_by_side(make_event: MakeEvent) -> None:
    arrived: list[str] = []
    all_here = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        arrived.append(scope["path"])
        if len(arrived) == 2:
            all_here.set()
        await all_here.wait()
        await send(part(scope["raw_path"], more=False))

    handler = Bridge(app, lifespan="off")
    with anyio.fail_after(5):
        async with (
            handler.stream(make_event(path="/a"), None) as first,
            handler.stream(make_event(path="/b"), None) as second,
        ):
            assert [item async for item in first.body] == [b"/a"]
            assert [item async for item in second.body] == [b"/b"]


async def test_the_first_stream_starts_the_application_and_its_requests_see_the_state(make_event: MakeEvent) -> None:
    startups: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            startups.append(1)
            scope["state"]["greeting"] = b"hello"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        await send(START)
        await send(part(scope["state"]["greeting"], more=False))

    handler = Bridge(app)
    with anyio.fail_after(5):
        for _ in range(2):
            async with handler.stream(make_event(), None) as response:
                assert [item async for item in response.body] == [b"hello"]
        async with handler:  # Only to run the shutdown.
            pass
    assert startups == [1]


async def test_a_failed_startup_fails_the_stream(make_event: MakeEvent) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise Oops("no database")

    with pytest.raises(StartupFailed, match="no database"):
        await stream(app, make_event())
