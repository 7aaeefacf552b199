"""What an application can do wrong. Every way to call a handler gives the same answer and logs the same lines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.asgi.cancellation import TaskOwner
from bridge.errors import ApplicationCancelled, IncompleteResponse, ProtocolError
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
# A status, and the parts of the body that arrived; and what the body raised, if anything.
Outcome = tuple[int, bytes, type[BaseException] | None]
Call = Callable[[ASGIApp, Event], Outcome]

FAILED: Outcome = (500, b"Internal Server Error", None)
WHOLE: Outcome = (200, b"all", None)
NEXT = "send 'http.response.start'"


class Oops(Exception):
    """The application's own."""


async def swallows_a_violation(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await send(part(b"too early"))
    except ProtocolError:
        await sending(START, part(b"all"))(scope, receive, send)


async def wraps_a_violation(scope: Scope, receive: Receive, send: Send) -> None:
    async def answer() -> None:
        await send(part(b"too early"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)


async def violates_while_it_handles(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        raise Oops("the cause")
    except Oops:
        await send(part(b"sorry"))  # an error handler that knows no better


async def cancelled_task() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


def own_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def cancels_itself() -> None:
    own_task().cancel()
    await asyncio.sleep(3600)


async def cancels_itself_and_returns() -> None:
    own_task().cancel()


async def cancels_itself_by_a_timer() -> None:
    asyncio.get_running_loop().call_soon(own_task().cancel)
    await asyncio.sleep(3600)


async def cancels_itself_by_a_task() -> None:
    async def cancel(task: "asyncio.Task[Any]") -> None:
        task.cancel()

    child = asyncio.create_task(cancel(own_task()))
    await asyncio.sleep(3600)
    await child


async def leaks_a_scope() -> None:
    scope = anyio.CancelScope()
    scope.__enter__()
    scope.cancel()
    await anyio.sleep(3600)


CANCELLED = BaseExceptionGroup("several", [asyncio.CancelledError(), Oops()])


@dataclass(frozen=True)
class Case:
    """An application, what a whole answer is, the facts in the log, and what a stream is where that differs."""

    app: ASGIApp
    whole: Outcome
    logged: tuple[str, ...]
    streamed: Outcome | None = None


BEFORE_THE_END = {
    "raises first": Case(sending(then=Oops()), FAILED, ("Oops", "Traceback")),
    "raises in the body": Case(
        sending(START, part(b"one", more=True), then=Oops()), FAILED, ("Oops", "Traceback"), (200, b"one", Oops)
    ),
    "returns without a response": Case(sending(), FAILED, (NEXT, "returned")),
    "returns in the body": Case(
        sending(START, part(b"one", more=True)), FAILED, ("more_body", "returned"), (200, b"one", IncompleteResponse)
    ),
    "sends the body first": Case(sending(part(b"one")), FAILED, (NEXT, "got 'http.response.body'")),
    "sends a status that is text": Case(
        sending({**START, "status": "200"}), FAILED, ("'status' to be an integer from 100 to 999", "got '200'")
    ),
    "sends a name that is not a token": Case(
        sending({**START, "headers": [(b"a b", b"1")]}, part(b"all")), FAILED, ("token", "b'a b'")
    ),
    "sends a value with control bytes": Case(
        sending({**START, "headers": [(b"a", b"1\r\nset-cookie: x")]}, part(b"all")), FAILED, ("'a'", "control bytes")
    ),
    "wraps a violation in a group": Case(wraps_a_violation, FAILED, (NEXT, "got 'http.response.body'")),
    "violates while it handles an error": Case(violates_while_it_handles, FAILED, (NEXT, "Oops: the cause")),
    "raises CancelledError": Case(sending(then=asyncio.CancelledError()), FAILED, (str(ApplicationCancelled()),)),
    "cancels itself": Case(sending(then=cancels_itself), FAILED, (str(ApplicationCancelled()),)),
    "cancels itself by a timer": Case(sending(then=cancels_itself_by_a_timer), FAILED, (str(ApplicationCancelled()),)),
    "cancels itself by a task": Case(sending(then=cancels_itself_by_a_task), FAILED, (str(ApplicationCancelled()),)),
    "leaks a cancel scope": Case(sending(then=leaks_a_scope), FAILED, (str(ApplicationCancelled()),)),
    "raises a group of both": Case(sending(then=CANCELLED), FAILED, ("BaseExceptionGroup", "Oops", "Traceback")),
    "cancels itself in the body": Case(
        sending(START, part(b"one", more=True), then=cancels_itself),
        FAILED,
        (str(ApplicationCancelled()),),
        (200, b"one", ApplicationCancelled),
    ),
}
AFTER_THE_END = {
    "raises": Case(sending(START, part(b"all"), then=Oops()), WHOLE, ("complete", "Oops", "Traceback")),
    "starts again": Case(sending(START, part(b"all"), START), WHOLE, ("got 'http.response.start'",)),
    "raises CancelledError": Case(
        sending(START, part(b"all"), then=asyncio.CancelledError()), WHOLE, (str(ApplicationCancelled()),)
    ),
    "awaits a cancelled task": Case(
        sending(START, part(b"all"), then=cancelled_task), WHOLE, (str(ApplicationCancelled()),)
    ),
    "cancels itself": Case(sending(START, part(b"all"), then=cancels_itself), WHOLE, (str(ApplicationCancelled()),)),
    "cancels itself and returns": Case(
        sending(START, part(b"all"), then=cancels_itself_and_returns), WHOLE, (str(ApplicationCancelled()),)
    ),
    "cancels itself by a timer": Case(
        sending(START, part(b"all"), then=cancels_itself_by_a_timer), WHOLE, (str(ApplicationCancelled()),)
    ),
    "cancels itself by a task": Case(
        sending(START, part(b"all"), then=cancels_itself_by_a_task), WHOLE, (str(ApplicationCancelled()),)
    ),
    "leaks a cancel scope": Case(
        sending(START, part(b"all"), then=leaks_a_scope), WHOLE, (str(ApplicationCancelled()),)
    ),
    "raises a group of both": Case(
        sending(START, part(b"all"), then=CANCELLED), WHOLE, ("complete", "BaseExceptionGroup", "Oops", "Traceback")
    ),
    "answers its own failure": Case(
        sending({**START, "status": 503}, part(b"all"), then=Oops()),
        (503, b"all", None),
        ("answered 503, and raised Oops", "Traceback"),
    ),
    "sends all after a violation": Case(swallows_a_violation, WHOLE, (NEXT, "got 'http.response.body'")),
}
CASES = {f"{name}, before the end": case for name, case in BEFORE_THE_END.items()} | {
    f"{name}, after the end": case for name, case in AFTER_THE_END.items()
}


def whole(result: dict[str, Any]) -> Outcome:
    return result["statusCode"], result["body"].encode(), None


def called(app: ASGIApp, event: Event) -> Outcome:
    with closing(Bridge(app, lifespan="off")) as handler:
        return whole(handler(event, None))


def handled(app: ASGIApp, event: Event) -> Outcome:
    return whole(asyncio.run(Bridge(app, lifespan="off").handle(event, None)))


def answered(app: ASGIApp, event: Event) -> Outcome:
    async def main() -> Outcome:
        result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        answer = Bridge(app, lifespan="off")._answer(event, None, result)
        await TaskOwner().create_task(asyncio.get_running_loop(), answer)  # as the runtime does
        return whole(result.result())

    return asyncio.run(main())


def streamed(app: ASGIApp, event: Event) -> Outcome:
    async def main() -> Outcome:
        async with Bridge(app, lifespan="off").stream(event, None) as response:
            parts, error = await read(response.body)
            return response.prelude["statusCode"], parts, error

    return asyncio.run(main())


def through_the_stock_transport(app: ASGIApp, event: Event) -> Outcome:
    with closing(Handler(httpx.ASGITransport(app))) as handler:
        return whole(handler(event, None))


class Wrapped(httpx.AsyncBaseTransport):
    """A transport around another one, as for retries."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)


def handled_by_the_stock_transport(app: ASGIApp, event: Event) -> Outcome:
    return whole(asyncio.run(Handler(httpx.ASGITransport(app)).handle(event, None)))


def streamed_by_the_stock_transport(app: ASGIApp, event: Event) -> Outcome:
    async def main() -> Outcome:
        async with Handler(Wrapped(httpx.ASGITransport(app))).stream(event, None) as response:
            parts, error = await read(response.body)
            return response.prelude["statusCode"], parts, error

    return asyncio.run(main())


async def read(body: AsyncIterator[bytes]) -> tuple[bytes, type[BaseException] | None]:
    parts: list[bytes] = []
    try:
        async for item in body:
            parts.append(item)  # noqa: PERF401  # the parts before an error count
    except Exception as exc:
        return b"".join(parts), type(exc)
    return b"".join(parts), None


@pytest.mark.parametrize("call", [called, handled, answered])
@pytest.mark.parametrize("name", CASES)
def test_a_whole_answer(make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call, name: str) -> None:
    case = CASES[name]
    assert call(case.app, make_event(path="/orders")) == case.whole
    assert_logged(caplog, ("ERROR", "GET /orders", *case.logged))
    assert ("Traceback" in caplog.text) is ("Traceback" in case.logged or "Oops: the cause" in case.logged)


@pytest.mark.parametrize("name", CASES)
def test_a_streamed_answer(make_event: MakeEvent, caplog: pytest.LogCaptureFixture, name: str) -> None:
    case = CASES[name]
    assert streamed(case.app, make_event(path="/orders")) == (case.streamed or case.whole)
    if case.streamed is None:  # a failure in the middle is raised and not logged
        assert_logged(caplog, ("ERROR", "GET /orders", *case.logged))


@every_case("call", [through_the_stock_transport, handled_by_the_stock_transport, streamed_by_the_stock_transport])
def test_the_stock_transport_gives_the_same_answers_before_the_end(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    outcomes = {
        name: call(case.app, make_event(path="/orders"))
        for name, case in BEFORE_THE_END.items()
        if name != "sends a status that is text"  # which it passes on
    }
    assert outcomes == dict.fromkeys(outcomes, FAILED)
    assert [record.getMessage().startswith("GET /orders: ") for record in caplog.records] == [True] * len(outcomes)


@every_case("call", [called, handled, streamed, through_the_stock_transport])
def test_an_exit_is_never_swallowed(make_event: MakeEvent, caplog: pytest.LogCaptureFixture, call: Call) -> None:
    for error in (SystemExit, KeyboardInterrupt):
        for messages in ([], [START], [START, part(b"all")]):
            caplog.clear()
            with pytest.raises(error):
                call(sending(*messages, then=error()), make_event(path="/orders"))
            is_whole = len(messages) == 2 and error is SystemExit and call is not through_the_stock_transport
            assert_logged(caplog, *[("WARNING", "GET /orders", "SystemExit", "complete")] * is_whole)


def test_a_group_with_an_exit_in_it_is_an_exit(make_event: MakeEvent) -> None:
    error = BaseExceptionGroup("several", [Oops(), BaseExceptionGroup("inside", [SystemExit(3)])])
    for call in (called, handled, answered, streamed):
        for messages in ([], [START, part(b"all")]):
            with pytest.raises(BaseExceptionGroup) as caught:
                call(sending(*messages, then=error), make_event())
            assert caught.value is error


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("way", ["handle", "stream", "stock", "stock stream", "answer"])
async def test_a_cancellation_from_outside_passes_through(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    ended: list[bool] = []
    running = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        running.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    transport = httpx.ASGITransport(app)
    handler = Handler(transport) if way.startswith("stock") else Bridge(app, lifespan="off")

    async def call() -> None:
        if way.endswith("stream"):
            async with handler.stream(make_event(), None):
                pass
        elif way == "answer":
            await handler._answer(make_event(), None, asyncio.get_running_loop().create_future())
        else:
            await handler.handle(make_event(), None)

    task = asyncio.create_task(call())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
    assert_logged(caplog)


def test_a_request_cannot_write_a_log_line_of_its_own(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    event = make_event("GET\nERROR forged", "/a\r\nERROR forged", rawQueryString="secret=1")
    called(sending(then=Oops()), event)
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "secret" not in record.getMessage()


def test_an_answer_says_no_more_of_a_failure_than_its_name(make_event: MakeEvent) -> None:
    assert b"1234" not in called(sending(then=Oops("the password is 1234")), make_event())[1]


def test_a_head_response_has_no_body_also_if_a_middleware_changes_the_method(make_event: MakeEvent) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["method"] = "GET"
        await sending(START, part(b"all"))(scope, receive, send)

    assert [call(app, make_event("HEAD")) for call in (called, streamed)] == [(200, b"", None)] * 2
