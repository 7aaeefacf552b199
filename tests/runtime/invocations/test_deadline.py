"""An invocation whose deadline is near: the client gets a 504, the log all stacks, the application is cancelled.

The other invocations notice nothing. The clock is put forward by the tests.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Receive, Scope, Send
from bridge.runtime.api.vocabulary import MAX_RESULT
from bridge.runtime.invocations.deadline import time_left
from bridge.sources import make_request
from tests.events import BASES, MakeEvent, load
from tests.logged import assert_logged
from tests.runtime.double import Answer, RuntimeDouble
from tests.runtime.slots import DEADLINE, NO_DEADLINE, START, Gate, Running, Slots, Told, part

Event = dict[str, Any]
NEAR = "There is no result, and the deadline of the invocation is near."
NO_END = "does not end"


class Waiting:
    """An application that waits at /wait, and answers every other request. `wait`: what it waits for."""

    def __init__(self, wait: Callable[[], Any] | None = None) -> None:
        self._wait = wait or asyncio.Event().wait
        self._arrived = threading.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == "/wait":
                self._arrived.release()
                await self._wait()
            await send(START)
            await send(part(b"done"))

    def arrived(self, count: int = 1) -> None:
        """Wait until so many requests wait."""
        for _ in range(count):
            assert self._arrived.acquire(timeout=30)


def late(api: RuntimeDouble, running: Running, app: Waiting, event: Event) -> Answer:
    """Have an invocation of `app` wait until its deadline is near. Return its answer."""
    invocation = api.invoke(event, deadline=DEADLINE)
    app.arrived()
    running.near_deadline()
    return invocation.answer()


def goes_on(api: RuntimeDouble, event: Event) -> bool:
    return bool(api.invoke(event, deadline=DEADLINE).answer().json["body"] == "done")


def test_the_margin_is_left_out_but_never_more_than_half_of_the_time() -> None:
    now = int(time.time() * 1000)
    left, margin = time_left(now + 600_000, 0.25)
    assert margin == 0.25
    assert 0 < left < 599.76
    left, margin = time_left(now + 600_000, 1000)
    assert left == margin
    assert 0 < margin <= 300
    assert time_left(now - 1, 0.25) == (0.0, 0.0)


# The answer.


async def gateway_timeout(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"15")]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 504, "headers": headers})
        await send(part(b"Gateway Timeout"))


def test_the_client_gets_a_504_in_the_shape_of_its_source(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    arrived = threading.Semaphore(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            arrived.release()
            await asyncio.Event().wait()

    running = slots.on_loop(app, count=len(BASES))
    invocations = {name: api.invoke(load(name), deadline=DEADLINE) for name in BASES}
    for _ in BASES:
        assert arrived.acquire(timeout=30)
    running.near_deadline()
    expected = Bridge(gateway_timeout, lifespan="off")
    for name, invocation in invocations.items():
        assert invocation.answer().json == expected(load(name), None), name
    expected.close()
    assert_logged(caplog, *[("ERROR", NEAR)] * len(BASES))


def test_an_async_function_fails(api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture) -> None:
    is_waiting = threading.Event()

    async def function(event: Any, context: Any) -> object:
        if event == "wait":
            is_waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise LookupError("no connection to give back")
        return event

    running = slots.of_function(function)
    invocation = api.invoke("wait", deadline=DEADLINE)
    assert is_waiting.wait(30)
    running.near_deadline()
    answer = invocation.answer()
    assert (answer.kind, answer.status) == ("error", 202)
    assert answer.json == {
        "errorMessage": "There was no result, and the deadline is near.",
        "errorType": "Function.DeadlineExceeded",
        "requestId": invocation.request_id,
        "stackTrace": [],
    }
    assert answer.headers["lambda-runtime-function-error-type"] == "Function.DeadlineExceeded"
    assert api.invoke("go on").answer().json == "go on"
    facts = ("Task bridge invocation:", "await asyncio.Event().wait()")
    assert_logged(caplog, ("ERROR", NEAR, *facts), ("ERROR", "cancelled", "LookupError: no connection to give back"))


class Source:
    """One of the user's, that makes of a 504 what its event says."""

    name = "users"

    def matches(self, event: Event) -> bool:
        return True

    def decode(self, event: Event, settings: Settings) -> Any:
        return make_request(method="GET", path="/wait", headers=[])

    def encode(self, response: Any, event: Event, settings: Settings) -> Any:
        if event["late"] == "raise":
            raise KeyError("no such answer")
        return {"large": "x" * MAX_RESULT, "no json": object()}[event["late"]]


def test_a_source_that_has_no_504_leaves_the_error(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    app = Waiting()
    running = slots.on_loop(Bridge(app, sources=[Source()]))
    for kind in ("raise", "large", "no json"):
        caplog.clear()
        answer = late(api, running, app, {"late": kind})
        assert (answer.kind, answer.json["errorType"]) == ("error", "Function.DeadlineExceeded")
        assert_logged(caplog, ("ERROR", NEAR), *[("ERROR", "could not be made")] * (kind != "large"))


def test_a_deadline_that_is_over_leaves_no_time_but_an_answer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(Waiting())
    assert api.invoke(make_event(path="/wait"), deadline=-5).answer().json["statusCode"] == 504
    assert goes_on(api, make_event())


def test_an_invocation_past_its_deadline_disturbs_no_other_and_one_without_a_deadline_has_none(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    app = Waiting(gate.passed)
    running = slots.on_loop(app, count=8)
    others = [api.invoke(make_event(path="/wait"), deadline=NO_DEADLINE) for _ in range(7)]
    app.arrived(7)
    for _ in range(2):
        assert late(api, running, app, make_event(path="/wait")).json["statusCode"] == 504
        assert goes_on(api, make_event())
    gate.open()
    assert [other.answer().json["body"] for other in others] == ["done"] * 7
    assert_logged(caplog, *[("ERROR", NEAR)] * 2)


# The stacks.


def test_the_log_has_the_stacks_of_all_tasks_of_the_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    async def fetch_prices() -> None:
        await asyncio.Event().wait()

    async def fetch_all() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch_prices(), name="prices")

    app = Waiting(fetch_all)
    assert late(api, slots.on_loop(app), app, make_event(path="/wait")).json["statusCode"] == 504
    assert_logged(caplog, ("ERROR", NEAR, "Task bridge invocation:", "Task prices:", "in fetch_prices", "Thread "))


# The application's end.


def stubborn(gate: Gate) -> Callable[[], Any]:
    """Return a function that ignores every cancellation until the gate is open."""

    async def wait() -> None:
        while not gate.is_open:
            with suppress(asyncio.CancelledError):
                await gate.passed()

    return wait


def test_an_application_that_does_not_end_goes_on_and_its_answer_goes_nowhere(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    gate, answered = Gate(), threading.Event()
    app = Waiting(stubborn(gate))

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/wait":
            answered.set()

    running = slots.on_loop(answering)
    assert late(api, running, app, make_event(path="/wait")).json["statusCode"] == 504
    running.pass_time(api)  # up to the poll, which a second answer would break into
    gate.open()
    assert answered.wait(30)
    assert goes_on(api, make_event())
    assert_logged(caplog, ("ERROR", NEAR), ("ERROR", NO_END))


# The watchdog.


def test_an_event_loop_that_only_waits_is_not_a_blocked_one(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    async def function(event: Any, context: Any) -> object:
        return "x" * 5_000_000

    watchdog = Told()
    running = slots.of_function(function, watchdog=watchdog)
    invocation = api.invoke({}, deadline=DEADLINE, stop_reading_after=100)
    invocation.wait_for(100)
    running.near_deadline()
    running.loop_has_turned()
    assert watchdog.watched == set()
    invocation.go_on()
    assert invocation.answer().status == 202
    assert_logged(caplog)


def test_a_deadline_may_be_any_moment(api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture) -> None:
    async def asynchronous(event: Any, context: Any) -> object:
        return context.get_remaining_time_in_millis() > 0

    def plain(event: Any, context: Any) -> object:
        return context.get_remaining_time_in_millis() > 0

    last = 9_999_999_999.0 - time.time()  # in the year 2286
    starts: list[Callable[[], Running]] = [lambda: slots.of_function(asynchronous), lambda: slots.in_threads(plain)]
    for start in starts:
        running = start()
        assert api.invoke(1, deadline=last).answer().json is True
        running.end()
    assert_logged(caplog)
