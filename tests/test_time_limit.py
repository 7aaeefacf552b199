"""The deadline of a call of a handler, outside of our runtime: who gets a 504, and what the log says."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import anyio
import pytest

from bridge import Bridge, Handler, Settings, invocation
from bridge._httpx import httpx
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.errors import ConfigurationError, DeadlineExceeded, ErrorStatus
from bridge.watchdog import Watch, Watchdog
from tests.apps import START, part
from tests.events import BASES, load
from tests.events.records import queue
from tests.logged import assert_logged

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

NEAR = "There is no response, and the deadline of the invocation is near."
EVENT = load("function_url")
LINE = "POST /orders/caf%C3%A9"
SOON = 0.2  # seconds


class Context:
    """The context of an invocation that has `seconds` left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.time() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.time()) * 1000))


Call = Callable[[Handler, Any, Any], Any]


def sync_call(handler: Handler, event: Any, context: Any) -> Any:
    try:
        return handler(event, context)
    finally:
        handler.close()


def async_call(handler: Handler, event: Any, context: Any) -> Any:
    async def call() -> Any:
        async with handler:
            return await handler.handle(event, context)

    return asyncio.run(call())


@pytest.fixture(params=[sync_call, async_call])
def call(request: pytest.FixtureRequest) -> Call:
    return cast("Call", request.param)


def asgi(work: Callable[[Send], Awaitable[object]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await work(send)
            await send(START)
            await send(part(b"done"))

    return app


async def hang(send: Send) -> None:
    await asyncio.Event().wait()


async def in_a_group(send: Send) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever, name="the endpoint")


async def half(send: Send) -> None:
    await send(START)
    await send(part(b"one", more=True))
    await hang(send)


async def fails_when_cancelled(send: Send) -> None:
    try:
        await hang(send)
    finally:
        raise LookupError("no connection to give back")


class Hanging(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError


def bridge(work: Callable[[Send], Awaitable[object]], **options: Any) -> Handler:
    return Bridge(asgi(work), lifespan="off", **options)


CASES: dict[str, tuple[Callable[[], Handler], tuple[str, ...]]] = {
    "in process": (lambda: bridge(hang), ("await asyncio.Event().wait()",)),
    "in a task of its own": (lambda: bridge(in_a_group), ("Task the endpoint:", "sleep_forever")),
    "half a response": (lambda: bridge(half), ("await hang(send)",)),
    "httpx's transport": (lambda: Handler(httpx.ASGITransport(asgi(hang))), ("await asyncio.Event().wait()",)),
    "any transport": (lambda: Handler(Hanging()), ("handle_async_request",)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_late_application_is_a_504_and_the_log_has_its_stack(
    call: Call, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, facts = CASES[name]
    result = call(make(), EVENT, Context(SOON))
    assert (result["statusCode"], result["body"]) == (504, "Gateway Timeout")
    assert_logged(caplog, ("ERROR", LINE, NEAR, *facts))


def test_every_source_has_its_own_504(call: Call) -> None:
    for name in BASES:
        assert str(call(bridge(hang), load(name), Context(SOON)).get("statusCode", "504")) == "504", name


def test_a_failure_after_the_cancellation_is_logged(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    assert call(bridge(fails_when_cancelled), EVENT, Context(SOON))["statusCode"] == 504
    assert_logged(caplog, ("ERROR", NEAR), ("ERROR", LINE, "LookupError: no connection to give back"))


def test_a_whole_response_is_kept_while_its_application_works_on(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"done"))
        await asyncio.Event().wait()

    assert call(Bridge(app, lifespan="off"), EVENT, Context(SOON))["body"] == "done"
    assert_logged(caplog, ("ERROR", NEAR))


def test_an_application_that_swallows_its_cancellation_is_left(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn(send: Send) -> None:
        for _ in range(2):  # the second one comes from the loop that closes
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    assert call(bridge(stubborn), EVENT, Context(SOON))["statusCode"] == 504
    assert_logged(caplog, ("ERROR", NEAR), ("ERROR", LINE, "does not end"))


def test_the_loop_serves_the_next_call_beside_one_that_was_left() -> None:
    gate: list[asyncio.Event] = []

    async def stubborn_at_first(send: Send) -> None:
        if not gate:
            gate.append(asyncio.Event())
            while not gate[0].is_set():
                try:
                    await gate[0].wait()
                except asyncio.CancelledError:
                    continue
        gate[0].set()

    handler = bridge(stubborn_at_first)
    assert [handler(EVENT, Context(seconds))["statusCode"] for seconds in (SOON, 60)] == [504, 200]
    handler.close()


def test_an_event_that_is_not_a_request_fails(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    async def on_event(event: Any, context: Any) -> None:
        await asyncio.Event().wait()

    for handler in (bridge(hang), bridge(hang, on_event=on_event), bridge(hang, settings=Settings(batch="per-record"))):
        with pytest.raises(DeadlineExceeded, match="deadline is near"):
            call(handler, queue("1"), Context(SOON))
    names = ("POST /events", "on_event tests.test_time_limit.", "POST /events")
    assert_logged(caplog, *[("ERROR", name, "(an event of aws:sqs): ", NEAR) for name in names])


def test_a_504_may_be_set_to_fail_the_invocation(call: Call) -> None:
    with pytest.raises(ErrorStatus, match="504"):
        call(bridge(hang, settings=Settings(error_status_codes=frozenset({504}))), EVENT, Context(SOON))


async def a_moment(send: Send) -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


def raises() -> int:
    raise RuntimeError


def test_a_context_that_tells_nothing_sensible_means_no_deadline(call: Call) -> None:
    methods: list[Any] = [lambda: None, lambda: "soon", lambda: -5, lambda: 0, lambda: float("nan"), raises, 3]
    contexts = [None, object(), {}, Mock(), *(SimpleNamespace(get_remaining_time_in_millis=each) for each in methods)]
    for context in contexts:
        assert call(bridge(a_moment), EVENT, context)["statusCode"] == 200, context


def test_a_fixed_number_as_in_tests_is_not_a_clock(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = SimpleNamespace(get_remaining_time_in_millis=lambda: 10)
    assert call(bridge(a_moment), EVENT, fixed)["statusCode"] == 200
    assert_logged(caplog)
    monkeypatch.setattr("bridge.time_limit.STILL", SOON)
    assert call(bridge(hang), EVENT, fixed)["statusCode"] == 504


def test_where_the_runtime_keeps_the_deadline_the_handler_does_not(call: Call) -> None:
    invocation.deadline.set(1.0)
    try:
        assert call(bridge(a_moment), EVENT, Context(0.02))["statusCode"] == 200
    finally:
        invocation.deadline.set(None)


def test_the_margin_is_that_of_the_runtime(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    seen: list[float] = []

    async def look(send: Send) -> None:
        seen.append((invocation.deadline.get() or 0) - time.monotonic())

    monkeypatch.setenv("BRIDGE_DEADLINE_MARGIN", "1500000")
    call(bridge(look), EVENT, Context(3600))
    call(bridge(look), EVENT, Context(2000))  # more than half of the time
    assert (2000 < seen[0] <= 2100, 900 < seen[1] <= 1000) == (True, True)
    monkeypatch.setenv("BRIDGE_DEADLINE_MARGIN", "soon")
    with pytest.raises(ConfigurationError, match="BRIDGE_DEADLINE_MARGIN"):
        bridge(hang)


def test_a_callers_cancellation_passes_through() -> None:
    async def main() -> None:
        task = asyncio.create_task(bridge(hang).handle(EVENT, Context(60)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def wsgi(gate: threading.Event) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gate.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    return app


def test_a_late_thread_of_a_wsgi_application_is_left(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Any:
        try:
            return await Bridge(wsgi(gate), interface="wsgi").handle(EVENT, Context(SOON))
        finally:
            gate.set()

    gate = threading.Event()
    assert asyncio.run(main())["statusCode"] == 504
    assert_logged(caplog, ("ERROR", NEAR, "gate.wait(30)"))


def test_a_blocked_thread_is_watched_in_lambda_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched: list[Watch] = []

    class Telling(Watchdog):
        def watch(self, moment: float, message: Any, act: Any = None) -> Watch:
            watched.append(Watch(moment, message, act))
            return watched[-1]

    watchdog = Telling()
    monkeypatch.setattr("bridge.time_limit._watchdog", lambda pid: watchdog)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for watch in watched:
            watch.tell()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    for is_function_process in (False, True):
        monkeypatch.setattr("bridge.time_limit.is_function_process", lambda value=is_function_process: value)
        handler = Bridge(app, interface="wsgi")
        assert handler(EVENT, Context(60))["body"] == "done"
        handler.close()
    assert_logged(caplog, ("ERROR", LINE, "The thread is blocked", "watch.tell()"))
