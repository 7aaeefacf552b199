"""How the slots end: cancelled, with the process, or with the API. Nothing of theirs is left then."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from bridge._types import Receive, Scope, Send
from bridge.errors import RuntimeApiGone
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes
from tests.runtime.slots import START, Gate, Logged, Slots, part

Event = dict[str, Any]
MakeEvent = Callable[..., Event]

Ends = list[str]


@pytest.fixture
def started() -> threading.Semaphore:
    """Released by each request that has come to its waiting."""
    return threading.Semaphore(0)


@pytest.fixture
def ends() -> Ends:
    return []


@pytest.fixture
def app(started: threading.Semaphore, ends: Ends) -> Any:
    """Waits for ever, at /after with its answer sent; the others raise something that ends the process."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in EXITS:
            await EXITS[scope["path"]]()
        if scope["path"] == "/after":
            await send(START)
            await send(part(b"done"))
        started.release()
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(type(exc).__name__)
            raise

    return app


async def leave(code: object) -> None:
    raise SystemExit(code)


async def interrupt() -> None:
    raise KeyboardInterrupt


async def leave_in_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(3))


async def leave_in_anyios_task_group() -> None:
    async with anyio.create_task_group():
        await leave(3)


async def leave_in_groups() -> None:
    raise BaseExceptionGroup("outer", [ValueError("x"), BaseExceptionGroup("inner", [SystemExit(3)])])


EXITS: dict[str, Callable[[], Any]] = {
    "/exit": lambda: leave(3),
    "/exit/task": leave_in_task_group,
    "/exit/anyio": leave_in_anyios_task_group,
    "/exit/groups": leave_in_groups,
    "/interrupt": interrupt,
}


# Cancelled.


@pytest.mark.parametrize("count", [1, 4])
def test_slots_that_wait_end_at_once_and_close_their_connections(
    api: RuntimeDouble, slots: Slots, app: Any, logged: Logged, count: int
) -> None:
    running = slots.on_loop(app, count=count)
    api.wait_for_polls(count)
    assert isinstance(running.end(), asyncio.CancelledError)
    api.wait_until_left()
    assert logged() == []


@pytest.mark.parametrize("path", ["/", "/after"])
@pytest.mark.parametrize("streams", [False, True])
def test_the_applications_are_cancelled_with_their_slots(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    app: Any,
    started: threading.Semaphore,
    ends: Ends,
    logged: Logged,
    path: str,
    streams: bool,
) -> None:
    running = slots.on_loop(app, count=3, streams=streams)
    for _ in range(2):
        api.invoke(make_event(path=path), may_stay_unanswered=True)
        assert started.acquire(timeout=10)
    assert isinstance(running.end(), asyncio.CancelledError)
    assert ends == ["CancelledError"] * 2
    api.wait_until_left()
    assert logged() == []


def test_an_application_that_does_not_end_holds_nothing_up(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, logged: Logged
) -> None:
    gate, is_waiting = Gate(), threading.Event()

    async def function(event: Any, context: Any) -> None:
        while not gate.is_open:
            is_waiting.set()
            with suppress(asyncio.CancelledError):
                await gate.passed()

    running = slots.of_function(function)
    api.invoke({}, may_stay_unanswered=True)
    assert is_waiting.wait(10)
    running.cancel()
    assert running.served.wait(10)
    api.wait_until_left()
    gate.open()
    assert isinstance(running.join(), asyncio.CancelledError)
    said = "The application was cancelled, but does not end: the next invocation goes on beside it."
    assert logged() == [(logging.ERROR, said)]
    assert running.left == ["bridge invocation"]
    running.left.clear()


def test_an_answer_that_cannot_be_sent_yet_is_broken_off(api: RuntimeDouble, slots: Slots, logged: Logged) -> None:
    async def function(event: Any, context: Any) -> object:
        return "x" * 5_000_000

    running = slots.of_function(function)
    invocation = api.invoke({}, stop_reading_after=100)
    invocation.wait_for(100)
    assert isinstance(running.end(), asyncio.CancelledError)
    invocation.go_on()
    assert not invocation.answer().is_whole
    assert logged() == []


# With the process.


@pytest.mark.parametrize("path", EXITS)
@pytest.mark.parametrize("streams", [False, True])
def test_what_ends_the_process_goes_through_and_the_others_are_cancelled(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    app: Any,
    started: threading.Semaphore,
    ends: Ends,
    logged: Logged,
    path: str,
    streams: bool,
) -> None:
    running = slots.on_loop(app, count=3, streams=streams)
    api.invoke(make_event(path="/"), may_stay_unanswered=True)
    assert started.acquire(timeout=10)
    api.invoke(make_event(path=path), may_stay_unanswered=True)
    error = running.join()
    if path == "/interrupt":
        assert isinstance(error, KeyboardInterrupt)
    else:
        assert isinstance(error, SystemExit)
        assert error.code == 3
    assert ends == ["CancelledError"]
    assert logged() == []
    api.wait_until_left()


def test_work_after_the_answer_may_end_the_process_too(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"done"))
            raise SystemExit(4)

    running = slots.on_loop(app)
    assert api.invoke(make_event()).answer().json["body"] == "done"
    error = running.join()
    assert isinstance(error, SystemExit)
    assert error.code == 4


APP = """
import sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    sys.exit(5)

def function(event, context):
    sys.exit(5)
"""


@pytest.mark.parametrize(
    ("handler", "concurrency"), [("app.app", "1"), ("app.app", "2"), ("app.function", "1"), ("app.function", "2")]
)
def test_the_exit_code_is_the_handlers(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, handler: str, concurrency: str
) -> None:
    runtime = fork_runtime(APP, handler, AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    api.invoke(make_event(), may_stay_unanswered=True)
    assert runtime.wait() == 5
    assert "The handler raised SystemExit(5): the process ends." in runtime.log
    assert ("shutdown" in runtime.log) == (handler == "app.app")
    assert "Traceback" not in runtime.log


# With the API.


@pytest.mark.parametrize("path", ["/", "/after"])
def test_an_api_that_is_gone_ends_what_goes_on(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    app: Any,
    started: threading.Semaphore,
    ends: Ends,
    logged: Logged,
    path: str,
) -> None:
    running = slots.on_loop(app, count=2)
    api.invoke(make_event(path=path), may_stay_unanswered=True)
    assert started.acquire(timeout=10)
    api.stop()
    assert isinstance(running.join(), RuntimeApiGone)
    assert ends == ["CancelledError"]
    assert logged() == []


def test_an_api_that_is_gone_when_an_answer_is_posted_ends_the_work_behind_that(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, started: threading.Semaphore, ends: Ends
) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started.release()
        await gate.passed()
        await send(START)
        try:
            await send(part(b"done"))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("CancelledError")
            raise

    running = slots.on_loop(app)
    api.invoke(make_event(), may_stay_unanswered=True)
    assert started.acquire(timeout=10)
    api.stop()
    gate.open()
    assert isinstance(running.join(), RuntimeApiGone)
    assert ends == ["CancelledError"]
