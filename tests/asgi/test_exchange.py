"""handle_buffered_request(): the application runs in the caller's own task, and the response comes whole."""

import logging
from collections.abc import AsyncIterator

import anyio
import pytest

from bridge._httpx import httpx
from bridge._messages import CompleteResponse, EventRequest
from bridge._types import Message, Receive, Scope, Send
from bridge.asgi import InProcessTransport
from bridge.errors import IncompleteResponse, NoResponse, ProtocolError, UnexpectedMessage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

START = {"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"1"), (b"x-a", b"2")]}


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def get() -> httpx.Request:
    return httpx.Request("GET", "http://app.test/")


async def test_the_parts_add_up_to_one_response() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for body in (b"one ", b"", b"two"):
            await send(part(body))
        await send(part(b"", more=False))

    response = await InProcessTransport(app).handle_buffered_request(get())
    assert type(response) is CompleteResponse
    assert (response.status_code, response.raw_headers, response.body) == (
        201,
        [(b"X-A", b"1"), (b"x-a", b"2")],
        b"one two",
    )


async def test_a_body_in_one_part_is_not_copied() -> None:
    body = b"x" * 1000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(body, more=False))

    assert (await InProcessTransport(app).handle_buffered_request(get())).body is body


async def test_a_response_without_a_body_has_an_empty_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body"})

    assert (await InProcessTransport(app).handle_buffered_request(get())).body == b""


async def test_the_application_runs_in_the_callers_task() -> None:
    tasks: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(anyio.get_current_task().id)
        await send(START)
        await send(part(b"", more=False))

    await InProcessTransport(app).handle_buffered_request(get())
    assert tasks == [anyio.get_current_task().id]


async def streamed() -> AsyncIterator[bytes]:
    yield b"one "
    yield b"two"


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: httpx.Request("POST", "http://app.test/", content=b"one two"),
        lambda: httpx.Request("POST", "http://app.test/", content=streamed()),
        lambda: EventRequest("POST", b"/", [], b"one two", {"scheme": "http", "server": None}),
    ],
    ids=["bytes", "stream", "event"],
)
async def test_the_request_body_comes_in_one_message_then_the_end_of_the_response_is_waited_for(
    request_of: "type[httpx.Request]",
) -> None:
    received: list[Message | str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            received.append(await receive())

        received.append(await receive())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            await send(START)
            await anyio.wait_all_tasks_blocked()
            received.append("last part")
            await send(part(b"", more=False))
        received.append(await receive())

    with anyio.fail_after(5):
        await InProcessTransport(app).handle_buffered_request(request_of())  # type: ignore[call-arg]
    assert received == [
        {"type": "http.request", "body": b"one two", "more_body": False},
        "last part",
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]


@pytest.mark.parametrize("raise_app_exceptions", [True, False])
@pytest.mark.parametrize("messages", [[], [START], [START, part(b"one")]])
async def test_a_failure_before_the_end_is_raised(messages: list[Message], raise_app_exceptions: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        await InProcessTransport(app, raise_app_exceptions).handle_buffered_request(get())


async def test_a_failure_after_the_end_is_logged_and_the_response_stands(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"all", more=False))
        raise ValueError("oops")

    response = await InProcessTransport(app).handle_buffered_request(get())
    assert (response.status_code, response.body) == (201, b"all")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "The application failed after its response was complete.")
    ]


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], NoResponse),
        ([START], IncompleteResponse),
        ([part(b"")], UnexpectedMessage),
        ([START, START], UnexpectedMessage),
        ([START, part(b"", more=False), START], UnexpectedMessage),
    ],
)
async def test_a_broken_protocol_is_an_exception_with_a_name(
    messages: list[Message], error: type[ProtocolError]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    with pytest.raises(ProtocolError) as caught:
        await InProcessTransport(app).handle_buffered_request(get())
    assert type(caught.value) is error


@pytest.mark.parametrize("then", [None, ValueError("its own"), KeyError])
async def test_a_broken_protocol_counts_whatever_the_application_does_next(
    then: "Exception | type[Exception] | None",
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(part(b"too early"))
        except ProtocolError:
            if then is not None:
                raise then from None
        await send(START)
        await send(part(b"all", more=False))

    with pytest.raises(UnexpectedMessage, match=r"send 'http.response.start', but got 'http.response.body'\.$"):
        await InProcessTransport(app).handle_buffered_request(get())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_what_is_no_exception_is_never_swallowed(error: type[BaseException]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"all", more=False))
        raise error

    with pytest.raises(error):
        await InProcessTransport(app).handle_buffered_request(get())


async def test_cancelling_the_caller_cancels_the_application() -> None:
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with anyio.move_on_after(0.01) as scope:
        await InProcessTransport(app).handle_buffered_request(get())
    assert scope.cancelled_caught
    assert ended == [True]
