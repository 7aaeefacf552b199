"""What lives as long as the process: it is started once and shut down once, whatever calls it and however it ends."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import anyio
import anyio.to_thread
import pytest

from bridge import Bridge
from bridge.errors import ForeignLoopError, LoopClosedError, RunningLoopError, StartupFailed
from bridge.init_phase import Runtime, set_runtime, warn_of_streams
from tests.apps import Journal
from tests.logged import assert_logged
from tests.loops import TIMEOUT, Gate, until_refused, value

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
InThread = Callable[..., "Future[Any]"]


@pytest.mark.anyio
async def test_many_first_calls_start_once_although_the_startup_needs_threads(make_event: MakeEvent) -> None:
    async def startup() -> None:
        await anyio.wait_all_tasks_blocked()  # Until every other call waits for this one.
        await anyio.to_thread.run_sync(int)

    app = Journal(startup=startup)
    handler = Bridge(app)
    bodies: list[str] = []

    async def call() -> None:
        bodies.append((await handler.handle(make_event(), None))["body"])

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(call)
    async with handler:  # Only to run the shutdown.
        pass
    assert bodies == ["1"] * 60
    assert app.steps == ["startup"] + ["request"] * 60 + ["shutdown"]


def test_a_block_that_ends_on_another_live_loop_than_the_first_calls_is_an_error(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    app = Journal()
    handler = Bridge(app)
    served, left = threading.Event(), threading.Event()

    async def serve() -> None:
        async with handler:
            await handler.handle(make_event(), None)
            served.set()
            await asyncio.to_thread(left.wait, TIMEOUT)

    async def leave() -> None:
        async with asyncio.timeout(TIMEOUT / 2):
            async with handler:
                await handler.handle(make_event(), None)

    serving = in_thread(asyncio.run, serve())
    assert served.wait(TIMEOUT)
    try:
        with pytest.raises(ForeignLoopError):
            asyncio.run(leave())
    finally:
        left.set()
    serving.result(TIMEOUT)
    assert app.steps == ["startup", "request", "request", "shutdown"]


def test_closing_waits_for_the_calls_of_other_threads_before_the_shutdown(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    gate = Gate()
    app = Journal(request=gate.wait)
    handler = Bridge(app)
    call = in_thread(handler, make_event(), None)
    assert gate.reached.wait(TIMEOUT)
    close = in_thread(handler.close)
    until_refused(handler._environment.loop)
    gate.opened.set()
    assert call.result(TIMEOUT)["body"] == "1"
    assert close.result(TIMEOUT) is None
    assert app.steps == ["startup", "request", "shutdown"]


def test_closing_during_the_startup_shuts_down_what_was_started(make_event: MakeEvent, in_thread: InThread) -> None:
    gate = Gate()
    app = Journal(startup=gate.wait)
    handler = Bridge(app)
    call = in_thread(handler, make_event(), None)
    assert gate.reached.wait(TIMEOUT)
    close = in_thread(handler.close)
    until_refused(handler._environment.loop)
    gate.opened.set()
    assert isinstance(call.exception(TIMEOUT), LoopClosedError)
    assert close.result(TIMEOUT) is None
    assert app.steps == ["startup", "shutdown"]


def test_closing_during_a_startup_on_a_callers_loop_shuts_down_there(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    gate = Gate()
    app = Journal(startup=gate.wait)
    handler = Bridge(app)
    call = in_thread(lambda: asyncio.run(handler.handle(make_event(), None)))
    assert gate.reached.wait(TIMEOUT)
    handler.close()
    gate.opened.set()
    assert isinstance(call.exception(TIMEOUT), LoopClosedError)
    assert app.steps == ["startup", "shutdown"]


def test_calls_after_closing_are_refused_and_leave_no_coroutine(make_event: MakeEvent, in_thread: InThread) -> None:
    app = Journal()
    handler = Bridge(app)
    handler(make_event(), None)
    handler.close()
    for call in (lambda: handler(make_event(), None), lambda: in_thread(handler, make_event(), None).result(TIMEOUT)):
        with pytest.raises(LoopClosedError):
            call()
    with pytest.raises(LoopClosedError):
        asyncio.run(handler.handle(make_event(), None))
    coroutine = value(None)
    with pytest.raises(LoopClosedError):  # A close() right after the check that every call makes first.
        handler._environment.loop.run(coroutine)
    assert app.steps == ["startup", "request", "shutdown"]


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
def test_a_sync_call_inside_a_running_loop_is_refused_on_either_backend(
    make_event: MakeEvent, anyio_backend: str
) -> None:
    async def main(handler: Bridge) -> None:
        with pytest.raises(RunningLoopError):
            handler(make_event(), None)
        with pytest.raises(RunningLoopError):
            handler.close()

    app = Journal()
    with closing(Bridge(app)) as handler:
        anyio.run(main, handler, backend=anyio_backend)
    assert app.steps == []


# With a runtime that runs the startup itself, as `python -m bridge.runtime` does.


@pytest.fixture
def startups(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """Yield the startups that the handlers of a test leave to the runtime."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    startups: list[Callable[[], None]] = []
    set_runtime(Runtime(can_stream=True, startups=startups))
    yield startups
    set_runtime(Runtime())
    signal.signal(signal.SIGTERM, before)


def test_a_startup_that_is_left_to_the_runtime_is_run_when_that_asks_for_it(
    make_event: MakeEvent, startups: list[Callable[[], None]]
) -> None:
    app = Journal()
    handler = Bridge(app)
    assert (app.steps, signal.getsignal(signal.SIGTERM)) == ([], signal.SIG_DFL)
    (start,) = startups
    start()
    assert app.steps == ["startup"]
    assert callable(signal.getsignal(signal.SIGTERM))
    assert handler(make_event(), None)["body"] == "1"
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]


def test_a_handler_that_the_import_has_called_is_not_started_again(
    make_event: MakeEvent, startups: list[Callable[[], None]]
) -> None:
    app = Journal()
    handler = Bridge(app)
    handler(make_event(), None)
    startups[0]()
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]


def test_a_handler_that_the_import_has_closed_is_not_started(startups: list[Callable[[], None]]) -> None:
    app = Journal()
    Bridge(app).close()
    startups[0]()
    assert app.steps == []


def test_a_startup_that_fails_leaves_the_signal_as_it_was(startups: list[Callable[[], None]]) -> None:
    handler = Bridge(Journal(startup=ConnectionError("no database")))
    with pytest.raises(StartupFailed, match="no database"):
        startups[0]()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    handler.close()


def test_a_fork_neither_uses_nor_ends_what_the_import_has_started(
    make_event: MakeEvent, startups: list[Callable[[], None]]
) -> None:
    """The fork ends with 0 if its own application went through all of its steps, and its parent's through none."""
    app = Journal()
    handler = Bridge(app)
    handler(make_event(), None)
    child = os.fork()
    if child == 0:
        try:
            app.steps.clear()
            startups[0]()
            handler(make_event(), None)
            handler.close()
            os._exit(0 if app.steps == ["startup", "request", "shutdown"] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]


@pytest.mark.parametrize(
    ("is_in_lambda", "mode", "warns"),
    [(True, "response_stream", True), (True, "buffered", False), (False, "response_stream", False)],
)
def test_a_runtime_that_cannot_stream_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_in_lambda: bool, mode: str, warns: bool
) -> None:
    warn_of_streams.cache_clear()
    monkeypatch.setenv("AWS_LWA_INVOKE_MODE", mode)
    if is_in_lambda:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    for _ in range(2):
        Bridge(Journal(), lifespan="off").close()
    assert_logged(caplog, *[("WARNING", "AWS_LWA_INVOKE_MODE", "cannot stream")] * warns)
