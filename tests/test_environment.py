"""What lives as long as the process: it is started once and shut down once, whatever calls it and however it ends."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import anyio
import anyio.to_thread
import pytest

from bridge import Bridge, Handler, InProcessTransport
from bridge.errors import ForeignLoopError, LoopClosedError, RunningLoopError, StartupFailed
from bridge.init_phase import Runtime, set_runtime, warn_of_streams
from tests.apps import START, Journal, part, sending
from tests.cases import every_case
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


async def use_handle(handler: Handler, event: Event) -> None:
    await handler.handle(event, None)


async def use_answer(handler: Handler, event: Event) -> None:
    await handler._answer(event, None, asyncio.get_running_loop().create_future())


async def use_stream(handler: Handler, event: Event) -> None:
    async with handler.stream(event, None):
        pass


async def use_block(handler: Handler, event: Event) -> None:
    async with handler:
        pass


async def use_end_of_block(handler: Handler, event: Event) -> None:
    await handler.__aexit__(None, None, None)


USES = [use_handle, use_answer, use_stream, use_block, use_end_of_block]


def with_a_transport(app: Journal) -> Handler:
    return Handler(InProcessTransport(app))


@every_case(("make", "is_in_lambda"), [(Bridge, False), (Bridge, True), (with_a_transport, False)])
def test_on_another_loop_than_the_startups_every_use_is_an_error(
    make_event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Journal], Handler],
    is_in_lambda: bool,
) -> None:
    with monkeypatch.context() as patch:
        if is_in_lambda:
            patch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        app = Journal()
        with closing(make(app)) as handler:
            handler(make_event(), None)
            for use in USES:
                with pytest.raises(ForeignLoopError, match=r"another event loop.* outside of async code|Leave"):
                    asyncio.run(use(handler, make_event()))
            handler(make_event(), None)
        assert app.steps.count("request") == 2


@every_case("in_a_thread", [False, True])
def test_while_a_callers_loop_has_the_application_every_other_use_is_an_error(
    make_event: MakeEvent, in_thread: InThread, in_a_thread: bool
) -> None:
    app = Journal()
    handler = Bridge(app)

    def use_all_others() -> None:
        for use in USES:
            with pytest.raises(ForeignLoopError, match="another event loop"):
                asyncio.run(use(handler, make_event()))
        with pytest.raises(ForeignLoopError, match="Use 'await handler"):
            handler(make_event(), None)

    async def main() -> None:
        async with handler:
            await asyncio.to_thread(use_all_others)
            await handler.handle(make_event(), None)

    if in_a_thread:
        in_thread(asyncio.run, main()).result(TIMEOUT)
    else:
        asyncio.run(main())
    assert app.steps == ["startup", "request", "shutdown"]


def test_a_loop_that_has_stopped_and_may_go_on_still_has_the_application(make_event: MakeEvent) -> None:
    handler = Bridge(Journal())
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(handler.handle(make_event(), None))
        with pytest.raises(ForeignLoopError):
            asyncio.run(handler.handle(make_event(), None))
        loop.run_until_complete(handler.__aexit__(None, None, None))
    finally:
        loop.close()


def test_an_application_that_knows_no_lifespan_is_served_on_any_loop(make_event: MakeEvent) -> None:
    """Its frameworks' clients belong to loops as well, but nothing says so, and tests of such applications do this."""
    handler = Bridge(sending(START, part(b"fine")))
    with closing(handler):
        for _ in range(2):
            assert handler(make_event(), None)["body"] == "fine"
            assert asyncio.run(handler.handle(make_event(), None))["body"] == "fine"


@pytest.mark.anyio
async def test_calls_that_wait_for_a_startup_share_its_failure_and_the_next_one_tries_again(
    make_event: MakeEvent,
) -> None:
    async def fail() -> None:
        await anyio.wait_all_tasks_blocked()  # Until every other call waits for this one.
        raise ValueError("no database")

    app = Journal(startup=fail)
    handler = Bridge(app)
    failures: list[StartupFailed] = []

    async def call() -> None:
        try:
            await handler.handle(make_event(), None)
        except StartupFailed as exc:
            failures.append(exc)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
    assert len(failures) == 3
    app.then["startup"] = None
    async with handler:
        assert (await handler.handle(make_event(), None))["body"] == "2"
    assert app.steps == ["startup", "startup", "request", "shutdown"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_can_call_a_handler_whose_lock_another_thread_of_its_parent_had(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    gate = Gate()
    app = Journal(request=gate.wait)
    with closing(Bridge(app)) as handler:
        call = in_thread(handler, make_event(), None)
        assert gate.reached.wait(TIMEOUT)
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(TIMEOUT)  # which ends it if it hangs
                app.then["request"] = None
                app.steps.clear()
                answer = handler(make_event(), None)["body"]
                handler.close()
                os._exit(0 if (answer, app.steps) == ("1", ["startup", "request", "shutdown"]) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.opened.set()
        assert call.result(TIMEOUT)["body"] == "1"
    assert app.steps == ["startup", "request", "shutdown"]


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
