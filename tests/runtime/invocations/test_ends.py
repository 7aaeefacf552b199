"""How slots on an event loop end: cancelled, with the process, or with the API. Nothing of theirs is left then."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from bridge._types import Receive, Scope, Send
from bridge.errors import RuntimeApiGone
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.applications import APP
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes
from tests.runtime.slots import START, Gate, Slots, part


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


class Application:
    """Waits without end; at /after with its answer sent, at /gate until that is open. EXITS end the process."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.ends: list[str] = []
        self._started = threading.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in EXITS:
            await EXITS[scope["path"]]()
        if scope["path"] == "/after":
            await self._answer(send)
            await asyncio.sleep(0)  # the answer is posted meanwhile
        self._started.release()
        try:
            if scope["path"] == "/gate":
                await self.gate.passed()
                await self._answer(send)
            await asyncio.Event().wait()
        except BaseException as exc:
            self.ends.append(type(exc).__name__)
            raise

    async def _answer(self, send: Send) -> None:
        await send(START)
        await send(part(b"done"))

    def wait_for(self, count: int) -> None:
        """Wait until so many requests wait."""
        for _ in range(count):
            assert self._started.acquire(timeout=30)


@pytest.fixture
def app() -> Application:
    return Application()


# Cancelled.


def test_slots_that_wait_end_and_close_their_connections(
    api: RuntimeDouble, slots: Slots, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    running = slots.on_loop(app, count=4)
    api.wait_for_polls(4)
    assert isinstance(running.end(), asyncio.CancelledError)
    api.wait_until_left()
    assert_logged(caplog)


@pytest.mark.parametrize("streams", [False, True])
def test_the_applications_are_cancelled_with_their_slots(
    api: RuntimeDouble,
    slots: Slots,
    make_event: MakeEvent,
    app: Application,
    caplog: pytest.LogCaptureFixture,
    streams: bool,
) -> None:
    running = slots.on_loop(app, count=3, streams=streams)
    for path in ("/", "/after"):
        api.invoke(make_event(path=path), may_stay_unanswered=True)
    app.wait_for(2)
    assert isinstance(running.end(), asyncio.CancelledError)
    assert app.ends == ["CancelledError"] * 2
    api.wait_until_left()
    assert_logged(caplog)


def test_an_application_that_does_not_end_holds_nothing_up(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    gate, is_waiting = Gate(), threading.Event()

    async def function(event: Any, context: Any) -> None:
        while not gate.is_open:
            is_waiting.set()
            with suppress(asyncio.CancelledError):
                await gate.passed()

    running = slots.of_function(function)
    api.invoke({}, may_stay_unanswered=True)
    assert is_waiting.wait(30)
    running.cancel()
    assert running.served.wait(30)
    api.wait_until_left()
    gate.open()
    assert isinstance(running.join(), asyncio.CancelledError)
    assert_logged(caplog, ("ERROR", "does not end"))
    assert running.left == ["bridge invocation"]
    running.left.clear()


def test_an_answer_that_cannot_be_sent_yet_is_broken_off(
    api: RuntimeDouble, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    async def function(event: Any, context: Any) -> object:
        return "x" * 5_000_000

    running = slots.of_function(function)
    invocation = api.invoke({}, stop_reading_after=100)
    invocation.wait_for(100)
    assert isinstance(running.end(), asyncio.CancelledError)
    invocation.go_on()
    assert not invocation.answer().is_whole
    assert_logged(caplog)


# With the process.


@pytest.mark.parametrize("streams", [False, True])
def test_what_ends_the_process_goes_through_and_the_others_are_cancelled(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, streams: bool
) -> None:
    for path in EXITS:
        app = Application()
        running = slots.on_loop(app, count=3, streams=streams)
        api.invoke(make_event(path="/"), may_stay_unanswered=True)
        app.wait_for(1)
        api.invoke(make_event(path=path), may_stay_unanswered=True)
        error = running.join()
        assert repr(error) == ("KeyboardInterrupt()" if path == "/interrupt" else "SystemExit(3)"), path
        assert app.ends == ["CancelledError"]
        api.wait_until_left()
    assert_logged(caplog)


def test_work_after_the_answer_may_end_the_process_too(api: RuntimeDouble, slots: Slots, make_event: MakeEvent) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(part(b"done"))
            raise SystemExit(4)

    running = slots.on_loop(app)
    assert api.invoke(make_event()).answer().json["body"] == "done"
    assert repr(running.join()) == "SystemExit(4)"


@pytest.mark.parametrize(
    ("handler", "concurrency"), [("app.app", "1"), ("app.app", "2"), ("app.function", "1"), ("app.function", "2")]
)
def test_the_exit_code_is_the_handlers(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, handler: str, concurrency: str
) -> None:
    code = "import sys\n" + APP.replace('await send({"type": "http.response.start", "status": 200})', "sys.exit(5)")
    code += "\ndef function(event, context): sys.exit(5)"
    runtime = fork_runtime(code, handler, AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    api.invoke(make_event(), may_stay_unanswered=True)
    assert runtime.wait() == 5
    assert "SystemExit(5)" in runtime.log
    assert ("shutdown" in runtime.log) == (handler == "app.app")
    assert "Traceback" not in runtime.log


# With the API.


def test_an_api_that_is_gone_ends_what_goes_on(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    running = slots.on_loop(app, count=3)
    for path in ("/", "/after"):
        api.invoke(make_event(path=path), may_stay_unanswered=True)
    app.wait_for(2)
    api.stop()
    assert isinstance(running.join(), RuntimeApiGone)
    assert app.ends == ["CancelledError"] * 2
    assert_logged(caplog)


def test_an_api_that_is_gone_when_an_answer_is_posted_ends_the_work_after_it(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, app: Application
) -> None:
    running = slots.on_loop(app)
    api.invoke(make_event(path="/gate"), may_stay_unanswered=True)
    app.wait_for(1)
    api.stop()
    app.gate.open()
    assert isinstance(running.join(), RuntimeApiGone)
    assert app.ends == ["CancelledError"]
