"""What lives as long as the process: started once, shut down once, whoever calls and however it ends."""

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anyio
import anyio.to_thread
import pytest

from bridge import Bridge
from bridge._types import Receive, Scope, Send
from bridge.environment import Environment
from bridge.errors import ForeignLoopError, LoopClosedError, RunningLoopError, StartupFailed

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

Event = dict[str, Any]
MakeEvent = Callable[..., Event]
InThread = Callable[..., "Future[Any]"]
Step = Callable[[], Awaitable[object]]

TIMEOUT = 10


async def at_once() -> None:
    """The step that takes no time."""


class App:
    """Writes down its startup, its requests and its shutdown, each after a step that a test gives."""

    def __init__(self, *, startup: Step = at_once, request: Step = at_once) -> None:
        self.steps: list[str] = []
        self._startup, self._request = startup, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self._startup()
            self.steps.append("startup")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.steps.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        await self._request()
        self.steps.append("request")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fine"})


@pytest.fixture
def in_thread() -> Iterator[InThread]:
    """Call something in a thread of its own, and look at the outcome when it is wanted."""
    with ThreadPoolExecutor(max_workers=4) as threads:
        yield threads.submit


def wait_until_closed(handler: Bridge) -> None:
    """Until a close() under way has begun: from then on calls are refused."""
    while True:
        try:
            handler._environment.loop.check_callable()
        except LoopClosedError:
            return
        time.sleep(0)


@pytest.mark.anyio
async def test_many_first_calls_start_once_although_the_startup_needs_threads(make_event: MakeEvent) -> None:
    async def startup() -> None:
        await anyio.wait_all_tasks_blocked()  # Until every other call waits for this one.
        await anyio.to_thread.run_sync(int)

    app = App(startup=startup)
    handler = Bridge(app)
    bodies: list[str] = []

    async def call() -> None:
        bodies.append((await handler.handle(make_event(), None))["body"])

    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(call)
        async with handler:  # Only to run the shutdown.
            pass
    assert bodies == ["fine"] * 60
    assert app.steps == ["startup"] + ["request"] * 60 + ["shutdown"]


def test_a_block_that_ends_on_another_live_loop_than_the_first_calls_is_an_error(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    app = App()
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
    under_way, go_on = threading.Event(), threading.Event()

    async def request() -> None:
        under_way.set()
        await asyncio.to_thread(go_on.wait, TIMEOUT)

    app = App(request=request)
    handler = Bridge(app)
    call = in_thread(handler, make_event(), None)
    assert under_way.wait(TIMEOUT)
    close = in_thread(handler.close)
    wait_until_closed(handler)
    go_on.set()
    assert call.result(TIMEOUT)["body"] == "fine"
    assert close.result(TIMEOUT) is None
    assert app.steps == ["startup", "request", "shutdown"]


def test_closing_during_the_startup_shuts_down_what_was_started(make_event: MakeEvent, in_thread: InThread) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    async def startup() -> None:
        under_way.set()
        await asyncio.to_thread(go_on.wait, TIMEOUT)

    app = App(startup=startup)
    handler = Bridge(app)
    call = in_thread(handler, make_event(), None)
    assert under_way.wait(TIMEOUT)
    close = in_thread(handler.close)
    wait_until_closed(handler)
    go_on.set()
    assert isinstance(call.exception(TIMEOUT), LoopClosedError)
    assert close.result(TIMEOUT) is None
    assert app.steps == ["startup", "shutdown"]


def test_closing_during_a_startup_on_a_callers_loop_shuts_down_there(
    make_event: MakeEvent, in_thread: InThread
) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    async def startup() -> None:
        under_way.set()
        await asyncio.to_thread(go_on.wait, TIMEOUT)

    app = App(startup=startup)
    handler = Bridge(app)
    call = in_thread(lambda: asyncio.run(handler.handle(make_event(), None)))
    assert under_way.wait(TIMEOUT)
    handler.close()
    go_on.set()
    assert isinstance(call.exception(TIMEOUT), LoopClosedError)
    assert app.steps == ["startup", "shutdown"]


def test_calls_after_closing_are_refused_and_leave_no_coroutine(make_event: MakeEvent, in_thread: InThread) -> None:
    app = App()
    handler = Bridge(app)
    handler(make_event(), None)
    handler.close()
    for call in (lambda: handler(make_event(), None), lambda: in_thread(handler, make_event(), None).result(TIMEOUT)):
        with pytest.raises(LoopClosedError):
            call()
    with pytest.raises(LoopClosedError):
        asyncio.run(handler.handle(make_event(), None))
    coroutine = at_once()
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

    app = App()
    with closing(Bridge(app)) as handler:
        anyio.run(main, handler, backend=anyio_backend)
    assert app.steps == []


# As `python -m bridge.runtime` uses it, with workers. They are forks, but that is not what it looks at.


@pytest.fixture
def _postponed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In Lambda, under the own runtime, and with several workers."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    for name in ("is_in_own_runtime", "is_postponed"):
        monkeypatch.setattr(Environment, name, getattr(Environment, name))
    Environment.prepare(postpones_startup=True)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_postponed")
def test_a_startup_that_is_postponed_is_run_where_it_is_asked_for(make_event: MakeEvent) -> None:
    app = App()
    handler = Bridge(app)
    assert (app.steps, signal.getsignal(signal.SIGTERM)) == ([], signal.SIG_DFL)
    handler._start_in_worker()
    assert app.steps == ["startup"]
    assert getattr(signal.getsignal(signal.SIGTERM), "__self__", None) is handler._environment
    assert handler(make_event(), None)["body"] == "fine"
    handler.close()
    assert app.steps == ["startup", "request", "shutdown"]


@pytest.mark.usefixtures("_postponed")
def test_what_was_started_before_is_neither_used_nor_ended(make_event: MakeEvent) -> None:
    app = App()
    handler = Bridge(app)
    handler(make_event(), None)
    loop = handler._environment.loop
    handler._start_in_worker()
    assert handler._environment.loop is not loop
    handler(make_event(), None)
    handler.close()
    assert app.steps == ["startup", "request", "startup", "request", "shutdown"]
    loop.close()  # the parent's business


@pytest.mark.usefixtures("_postponed")
def test_a_postponed_startup_that_fails_leaves_the_signal_as_it_was() -> None:
    async def fail() -> None:
        raise ConnectionError("no database")

    handler = Bridge(App(startup=fail))
    with pytest.raises(StartupFailed, match="no database"):
        handler._start_in_worker()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    handler.close()
