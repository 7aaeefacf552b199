"""An invocation whose deadline is near: the client gets a 504, the log the stack, the application an end.

And the others notice nothing.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from bridge import Bridge, Settings
from bridge._types import ASGIApp, Receive, Scope, Send
from bridge.runtime.api.connection import Connection
from bridge.runtime.api.http import Reply
from bridge.runtime.api.vocabulary import MAX_RESULT, Invocation
from bridge.runtime.invocations.answer import BLOCKED_AFTER, Answering, Limits
from bridge.runtime.invocations.targets import HandlerTarget
from bridge.runtime.invocations.watchdog import Watchdog
from bridge.sources import make_request
from tests.events import BASES, load
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import NO_DEADLINE, START, Gate, Logged, Slots, part

Event = dict[str, Any]
MakeEvent = Callable[..., Event]

# In seconds: the application is cancelled after half of it, because the margin is longer.
SOON = 0.1

# The same, where it must have come to a certain place before that, on whatever machine.
SOON_ENOUGH = 0.6

NEAR = "There is no result, and the deadline of the invocation is near. Where it stands:\n"

BLOCKED = "The event loop is blocked, and the deadline of the invocation is near. Where it stands:\n"

INNERMOST = "await asyncio.get_running_loop().create_future()"

NO_END = "The application was cancelled, but does not end: the next invocation goes on beside it."


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def waiting(*, wait: Callable[[], Any] = for_ever) -> ASGIApp:
    """Waits at /wait, and answers everything else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == "/wait":
                await wait()
            await send(START)
            await send(part(b"done"))

    return app


def calls_in(line: str) -> list[str]:
    """The source lines of the tasks' stacks in the log, outermost call first; the test has threads of its own."""
    tasks = line.partition("\nThread ")[0]
    return [each.strip() for each in tasks.splitlines() if each.startswith("    ")]


# Every source's own answer.


async def gateway_timeout(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"15")]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 504, "headers": headers})
        await send(part(b"Gateway Timeout"))


def test_the_client_gets_a_504_in_the_shape_of_its_source(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await for_ever()

    slots.on_loop(app, count=len(BASES))
    invocations = {name: api.invoke(load(name), deadline=SOON) for name in BASES}
    expected = Bridge(gateway_timeout, lifespan="off")
    for name, invocation in invocations.items():
        assert invocation.answer().json == expected(load(name), None), name
    expected.close()
    assert [line.startswith(NEAR) for _, line in logged()] == [True] * len(BASES)


def test_an_async_function_fails(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    async def function(event: Any, context: Any) -> object:
        if event == "wait":
            await for_ever()
        return event

    slots.of_function(function)
    invocation = api.invoke("wait", deadline=SOON_ENOUGH)
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
    ((_, line),) = logged()
    assert calls_in(line)[-2:] == ["await for_ever()", INNERMOST]


def test_a_504_can_be_set_to_fail_the_invocation(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    slots.on_loop(Bridge(waiting(), settings=Settings(error_status_codes=frozenset({504}))))
    answer = api.invoke(make_event(path="/wait"), deadline=SOON).answer()
    assert (answer.kind, answer.json["errorType"]) == ("error", "ErrorStatus")
    assert json.loads(answer.json["errorMessage"]) == {"statusCode": 504, "body": "Gateway Timeout"}


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


@pytest.mark.parametrize("late", ["raise", "large", "no json"])
def test_a_source_that_has_no_504_leaves_the_error(api: RuntimeDouble, slots: Slots, logged: Logged, late: str) -> None:
    slots.on_loop(Bridge(waiting(), sources=[Source()]))
    for _ in range(2):
        answer = api.invoke({"late": late}, deadline=SOON).answer()
        assert (answer.kind, answer.json["errorType"]) == ("error", "Function.DeadlineExceeded")
    lines = [line.partition("\n")[0] for _, line in logged()]
    said = [] if late == "large" else ["There is no response to stand for the application's own."]
    assert lines == [NEAR.strip(), *said] * 2


# Where it stands.


def test_the_log_has_the_innermost_call_of_nested_ones(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def rows() -> AsyncIterator[int]:
        await for_ever()
        yield 1

    async def load_orders() -> None:
        async for _ in rows():
            pass

    slots.on_loop(waiting(wait=load_orders))
    api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH).answer()
    ((level, line),) = logged()
    assert level == logging.ERROR
    assert line.startswith(f"{NEAR}Task bridge invocation:\n")
    assert calls_in(line)[-4:] == ["await wait()", "async for _ in rows():", "await for_ever()", INNERMOST]


def test_the_log_has_the_tasks_that_the_application_has_started(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def fetch_prices() -> None:
        await for_ever()

    async def fetch_all() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch_prices(), name="prices")
            group.create_task(fetch_prices(), name="more prices")

    slots.on_loop(waiting(wait=fetch_all))
    api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH).answer()
    api.wait_for_polls(1)
    ((_, line),) = logged()
    titles = [each for each in line.splitlines() if each.startswith("Task ")]
    assert titles == ["Task bridge invocation:", "Task more prices:", "Task prices:"]


def test_the_log_has_the_thread_of_a_sync_endpoint_and_of_no_other_invocation(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate, is_working = Gate(), threading.Event()

    def somebody_elses_endpoint() -> None:
        is_working.set()
        gate.wait()

    def my_endpoint() -> None:
        gate.wait()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = my_endpoint if scope["path"] == "/mine" else somebody_elses_endpoint
            run = anyio.to_thread.run_sync if scope["query_string"] == b"anyio" else asyncio.to_thread
            await run(endpoint)
            await send(START)
            await send(part(b"done"))

    slots.on_loop(app, count=2)
    for query in ("anyio", "asyncio"):
        gate, is_working = Gate(), threading.Event()
        other = api.invoke(make_event(path="/", rawQueryString=query))
        assert is_working.wait(10)
        mine = api.invoke(make_event(path="/mine", rawQueryString=query), deadline=SOON_ENOUGH)
        assert mine.answer().json["statusCode"] == 504
        gate.open()
        assert other.answer().json["body"] == "done"
    api.wait_for_polls(2)
    threads = [line.partition("\nThread ")[2] for _, line in logged() if line.startswith(NEAR)]
    assert len(threads) == 2
    for thread in threads:
        assert "in my_endpoint\n" in thread
        assert "in somebody_elses_endpoint\n" not in thread


# The application's end.


def test_the_application_is_cancelled_once_and_may_clean_up(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    cleaned_up: list[bool] = []

    async def work() -> None:
        try:
            await for_ever()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)  # a second cancellation would end it here
            cleaned_up.append(True)

    slots.on_loop(waiting(wait=work), margin=10)
    assert api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH).answer().json["statusCode"] == 504
    assert api.invoke(make_event()).answer().json["body"] == "done"
    assert cleaned_up == [True]
    assert len(logged()) == 1


def test_an_application_that_answers_when_it_is_cancelled_is_too_late(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    async def shrug() -> None:
        with suppress(asyncio.CancelledError):
            await for_ever()

    slots.on_loop(waiting(wait=shrug))
    assert api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH).answer().json["statusCode"] == 504
    assert api.invoke(make_event()).answer().json["body"] == "done"
    assert len(logged()) == 1


@pytest.mark.parametrize("streams", [False, True])
def test_an_application_that_does_not_end_goes_on_and_its_answer_goes_nowhere(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged, streams: bool
) -> None:
    gate, answered = Gate(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while scope["path"] == "/wait" and not gate.is_open:
            with suppress(asyncio.CancelledError):
                await gate.passed()
        try:
            await send(START)
            await send(part(b"done"))
        finally:
            if scope["path"] == "/wait":
                answered.set()

    slots.on_loop(app, streams=streams)
    late = api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH).answer()
    assert (late.prelude if streams else late.json)["statusCode"] == 504
    api.wait_for_polls(1)  # which an answer to nobody would break into
    gate.open()
    assert answered.wait(10)
    answer = api.invoke(make_event()).answer()
    assert (answer.payload.decode() if streams else answer.json["body"]) == "done"
    assert [line.startswith(NEAR) or line for _, line in logged()] == [True, NO_END]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_stream_that_starts_when_its_invocation_was_given_up_is_left_at_once(make_event: MakeEvent) -> None:
    messages: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        messages.append(await receive())
        messages.append(await receive())

    connection = Connection(("127.0.0.1", 9), user_agent="test")
    target = HandlerTarget(Bridge(app, lifespan="off"), streams=True)
    invocation = Invocation(Reply(200, {b"lambda-runtime-aws-request-id": b"r-1"}, b""))
    limits = Limits(0.25, None, lambda document: None, lambda: None)
    answering = Answering(invocation, make_event(), None, connection=connection, target=target, limits=limits)
    answering.result.set_result(None)
    await target.work(answering)
    assert messages[-1] == {"type": "http.disconnect"}
    assert not connection.is_open


def test_what_a_function_raises_when_it_is_cancelled_is_logged(
    api: RuntimeDouble, slots: Slots, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    async def function(event: Any, context: Any) -> object:
        try:
            await for_ever()
        finally:
            raise LookupError("no connection to give back")

    slots.of_function(function)
    assert api.invoke("wait", deadline=SOON_ENOUGH).answer().json["errorType"] == "Function.DeadlineExceeded"
    api.wait_for_polls(1)
    first, second = logged()
    assert first[1].startswith(NEAR)
    assert second == (logging.ERROR, "The handler failed when it was cancelled.")
    assert "LookupError: no connection to give back" in caplog.text


# An application that blocks the event loop.


def test_the_log_tells_where_the_event_loop_is_blocked_while_it_is(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate = Gate()

    async def block() -> None:
        gate.wait()

    slots.on_loop(waiting(wait=block), watchdog=Watchdog())
    invocation = api.invoke(make_event(path="/wait"), deadline=SOON_ENOUGH)
    wait_until(lambda: bool(logged()))
    gate.open()
    answer = invocation.answer()
    assert (answer.status, answer.json["body"]) == (202, "done")
    assert api.invoke(make_event()).answer().json["body"] == "done"
    ((level, line),) = logged()
    assert level == logging.ERROR
    assert line.startswith(BLOCKED)
    calls = calls_in(line)
    assert calls[calls.index("await wait()") + 1] == "gate.wait()"


def test_an_answer_that_comes_late_because_of_that_is_passed_over(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate, is_blocked = Gate(), threading.Event()

    async def block() -> None:
        is_blocked.set()
        gate.wait()

    slots.on_loop(waiting(wait=block))
    invocation = api.invoke(make_event(path="/wait"), deadline=SOON)
    assert is_blocked.wait(10)
    invocation.expire()
    gate.open()
    assert invocation.answer().status == 410
    assert api.invoke(make_event()).answer().json["body"] == "done"
    ((level, line),) = logged()
    assert (level, line.partition(" (")[0]) == (
        logging.WARNING,
        "The answer came too late: the invocation is over",
    )


def test_work_after_the_response_that_blocks_the_event_loop_is_told_too(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await waiting()(scope, receive, send)
        if scope["type"] == "http":
            gate.wait()

    slots.on_loop(app, watchdog=Watchdog())
    assert api.invoke(make_event(), deadline=1.0).answer().json["body"] == "done"
    wait_until(lambda: bool(logged()))
    gate.open()
    api.wait_for_polls(1)
    assert logged()[0][1].startswith(BLOCKED)


def test_an_event_loop_that_only_waits_is_no_blocked_one(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    async def function(event: Any, context: Any) -> object:
        return "x" * 5_000_000

    watchdog, is_told = Watchdog(), threading.Event()
    slots.of_function(function, watchdog=watchdog)
    invocation = api.invoke({}, deadline=SOON_ENOUGH, stop_reading_after=100)
    invocation.wait_for(100)
    watchdog.watch(invocation.deadline + BLOCKED_AFTER, is_told.set)
    assert is_told.wait(10)
    assert logged() == []
    invocation.go_on()
    assert invocation.answer().status == 202


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)  # the log has no event to wait for


# Deadlines of all kinds.


def test_a_deadline_that_is_over_leaves_no_time_but_an_answer(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent
) -> None:
    slots.on_loop(waiting())
    answer = api.invoke(make_event(path="/wait"), deadline=-5).answer()
    assert answer.json["statusCode"] == 504
    assert api.invoke(make_event()).answer().json["body"] == "done"


def test_without_a_deadline_nothing_is_cancelled(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate, is_waiting = Gate(), threading.Event()

    async def wait() -> None:
        is_waiting.set()
        await gate.passed()

    slots.on_loop(waiting(wait=wait), count=2)
    first = api.invoke(make_event(path="/wait"), deadline=NO_DEADLINE)
    assert is_waiting.wait(10)
    assert api.invoke(make_event(path="/wait"), deadline=SOON).answer().json["statusCode"] == 504
    gate.open()
    assert first.answer().json["body"] == "done"
    assert len(logged()) == 1


def test_an_invocation_past_its_deadline_does_not_disturb_the_others(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate = Gate()
    slots.on_loop(waiting(wait=lambda: gate.passed() if not gate.is_open else for_ever()), count=16)
    others = [api.invoke(make_event(path="/wait")) for _ in range(15)]
    api.wait_for_polls(1)
    for _ in range(3):
        assert api.invoke(make_event(path="/wait"), deadline=SOON).answer().json["statusCode"] == 504
        assert api.invoke(make_event()).answer().json["body"] == "done"
    gate.open()
    assert [other.answer().json["body"] for other in others] == ["done"] * 15
    assert [line.startswith(NEAR) for _, line in logged()] == [True] * 3
