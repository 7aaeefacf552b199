"""One exchange whose response is wanted whole: `request.extensions["whole_response"]`."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from bridge._httpx import httpx
from bridge._messages import CompleteResponse, EventRequest
from bridge._types import ASGIApp, Message, Receive, Scope, Send
from bridge.asgi import InProcessTransport
from bridge.asgi.exchange import WholeExchange
from bridge.errors import ApplicationError, InvalidMessage, ProtocolError, UnexpectedMessage
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

pytestmark = pytest.mark.anyio


async def respond(
    app: ASGIApp, request: httpx.Request | None = None, wanted: object = True, **options: Any
) -> CompleteResponse:
    request = request or httpx.Request("GET", "http://app.test/")
    request.extensions["whole_response"] = wanted
    response = await InProcessTransport(app, **options).handle_async_request(request)
    assert isinstance(response, CompleteResponse)
    return response


async def test_the_parts_add_up_to_one_response() -> None:
    start = {"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"1"), (b"x-a", b"2")]}
    parts = [part(body, more=True) for body in (b"one ", b"", b"two")]
    response = await respond(sending(start, *parts, part(b"")))
    assert (response.status_code, response.raw_headers, response.body) == (
        201,
        [(b"X-A", b"1"), (b"x-a", b"2")],
        b"one two",
    )


async def test_a_body_in_one_part_is_not_copied() -> None:
    body = b"x" * 1000
    assert (await respond(sending(START, part(body)))).body is body


async def test_a_response_without_end_is_an_error_also_for_an_application_that_swallows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.asgi.exchange.MAX_WHOLE", 10)
    assert (await respond(sending(START, part(b"12345", more=True), part(b"67890")))).body == b"1234567890"

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while True:
            await send(part(b"1234", more=True))

    async def swallowing(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(InvalidMessage):
            await endless(scope, receive, send)
        assert [(await receive())["type"] for _ in range(2)] == ["http.request", "http.disconnect"]
        await send(part(b""))

    for app in (endless, swallowing, sending(START, part(b"12345678901"))):
        with pytest.raises(InvalidMessage, match="at most 10 bytes"):
            await respond(app)


async def test_a_response_without_a_body_has_an_empty_one() -> None:
    assert (await respond(sending(START, {"type": "http.response.body"}))).body == b""


async def test_the_application_runs_in_the_callers_task() -> None:
    tasks: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(anyio.get_current_task().id)
        await sending(START, part(b""))(scope, receive, send)

    await respond(app)
    assert tasks == [anyio.get_current_task().id]


async def streamed() -> AsyncIterator[bytes]:
    yield b"one "
    yield b"two"


@pytest.mark.parametrize("kind", ["bytes", "stream", "event"])
async def test_the_body_comes_in_one_message_and_then_receive_waits_for_the_end_of_the_response(kind: str) -> None:
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
            await send(part(b""))
        received.append(await receive())

    if kind == "event":
        request: httpx.Request = EventRequest("POST", b"/", [], b"one two", {"scheme": "http", "server": None})
    else:
        content = b"one two" if kind == "bytes" else streamed()
        request = httpx.Request("POST", "http://app.test/", content=content)
    await respond(app, request)
    assert received == [
        {"type": "http.request", "body": b"one two", "more_body": False},
        "last part",
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]


async def test_a_violation_counts_whatever_the_application_raises_after_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(part(b"too early"))
        except ProtocolError:
            raise ValueError("its own") from None

    with pytest.raises(UnexpectedMessage, match=r"send 'http.response.start', but got 'http.response.body'\.$"):
        await respond(app)


async def test_a_failure_before_the_end_is_a_500_where_exceptions_are_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = await respond(sending(then=ValueError("oops")), raise_app_exceptions=False)
    assert (response.status_code, response.body) == (500, b"")
    assert_logged(caplog, ("ERROR", "GET /", "ValueError: oops"))


async def test_cancelling_the_caller_cancels_the_application() -> None:
    running, ended = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(respond, app)
        await running.wait()
        tasks.cancel_scope.cancel()
    assert ended.is_set()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@every_case(
    "app",
    [
        sending(then=LookupError("oops")),
        sending(START, part(b"all"), then=LookupError("oops")),
        sending(START, START),
        sending(START, part(b"all"), START),
        sending(then=asyncio.CancelledError()),
    ],
)
def test_a_failure_leaves_nothing_that_only_a_collection_would_find(app: ASGIApp, anyio_backend: str) -> None:
    async def fail() -> None:
        with contextlib.suppress(LookupError, ApplicationError):
            await respond(app)
        logging.getLogger("bridge").handlers.clear()

    async def main() -> list[str]:
        await fail()
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await fail()
            gc.collect()
            return [type(each).__name__ for each in gc.garbage if isinstance(each, BaseException | WholeExchange)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()

    gc.disable()
    try:
        assert asyncio.run(main()) == []
    finally:
        gc.enable()


# A function as the value: it gets the response while the application may go on.


async def test_the_response_is_handed_over_once_with_the_last_message() -> None:
    got: list[CompleteResponse] = []
    exchange = WholeExchange(b"", got.append)
    await exchange.send(START)
    await exchange.send(part(b"one ", more=True))
    assert got == []
    await exchange.send(part(b"two"))
    for message in (part(b"more"), START, {"type": "nonsense"}, {}):
        with pytest.raises(UnexpectedMessage):
            await exchange.send(message)
    ((status, headers, body),) = [(each.status_code, each.raw_headers, each.body) for each in got]
    assert (status, headers, body) == (200, START["headers"], b"one two")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_task_that_waits_for_it_runs_before_the_application_goes_on() -> None:
    steps: list[str] = []
    call_soon = asyncio.get_running_loop().call_soon

    async def go_on() -> None:
        steps.append("the application goes on")

    await respond(
        sending(START, part(b"all"), then=go_on), wanted=lambda response: call_soon(steps.append, "the task runs")
    )
    assert steps == ["the task runs", "the application goes on"]


async def test_an_exception_of_the_function_is_raised_by_send() -> None:
    def refuse(response: CompleteResponse) -> None:
        raise LookupError("not taken")

    exchange = WholeExchange(b"", refuse)
    await exchange.send(START)
    with pytest.raises(LookupError):
        await exchange.send(part(b""))
