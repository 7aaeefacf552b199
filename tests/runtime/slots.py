"""Slots of a runtime in the test's own process: on an event loop in a thread of its own, or in threads each."""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any

from bridge import Bridge, Handler
from bridge._types import ASGIApp, Message
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.context import Function
from bridge.runtime.invocations.blocking import BlockingSlot
from bridge.runtime.invocations.deadline import Limits
from bridge.runtime.invocations.polling import Means
from bridge.runtime.invocations.serving import serve, serve_in_threads
from bridge.runtime.invocations.slots import Slot
from bridge.runtime.invocations.targets import FunctionTarget, HandlerTarget, Target
from bridge.runtime.invocations.waker import Waker
from bridge.runtime.log.ids import LogIds, set_only_invocation
from bridge.settings import set_trace_id
from bridge.watchdog import Watch, Watchdog
from tests.runtime.double import LIMIT, RuntimeDouble

__all__ = ["DEADLINE", "FUNCTION", "MARGIN", "NO_DEADLINE", "START", "Gate", "Running", "Slots", "Told", "part"]

OUR_TASKS = {"bridge application", "bridge invocation", "bridge slot", "bridge stop"}

# For `RuntimeDouble.invoke`, in seconds: a deadline that only comes when a test puts the clock forward; and the margin
# of all slots on an event loop that do not say otherwise.
DEADLINE, MARGIN = 1000.0, 100.0

# For `RuntimeDouble.invoke`: the header is empty.
NO_DEADLINE = -math.inf

START: Message = {"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"text/plain")]}


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


FUNCTION = Function(name="shop", version="$LATEST", memory_limit_in_mb="128")


class Told(Watchdog):
    """A watchdog that tells only when the test says so, in the thread of the test."""

    def watch(self, moment: float, message: str | Callable[[], str], act: Callable[[], None] | None = None) -> Watch:
        watch = Watch(moment, message, act)
        self.watched.add(watch)
        return watch

    def tell(self) -> None:
        for watch in list(self.watched):
            watch.tell()


class Gate:
    """Opened by one side; the other one waits for it, on an event loop or in a thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        """Open the gate, from any thread."""
        with self._lock:
            self._opened.set()
            for loop, event in self._waiters:
                loop.call_soon_threadsafe(event.set)
            self._waiters.clear()

    async def passed(self) -> None:
        """On an event loop."""
        event = asyncio.Event()
        with self._lock:
            if self._opened.is_set():
                return
            self._waiters.append((asyncio.get_running_loop(), event))
        await event.wait()

    def wait(self) -> None:
        """In a thread."""
        assert self._opened.wait(LIMIT), "the gate was not opened"

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test can put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Running:
    """Slots that are served. `error`: what has ended them, once they have."""

    def __init__(self, serve: Callable[["Running"], None]) -> None:
        self.cancel: Callable[[], object] = lambda: None
        self.error: BaseException | None = None
        self.left: list[str] = []  # the names of tasks of ours that were there then
        self.served = threading.Event()  # and nothing is closed yet
        self.loop: ClockLoop
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(serve,), name="slots of the test")
        self._thread.start()
        assert self._started.wait(LIMIT)

    def _run(self, serve: Callable[["Running"], None]) -> None:
        try:
            serve(self)
        except BaseException as exc:
            self.error = exc
        finally:
            self._started.set()

    def started(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel
        self._started.set()

    def pass_time(self, api: RuntimeDouble, polls: int = 1) -> None:
        """Put the clock forward until so many slots wait for the next event, however often they set a new timer."""
        for _ in range(100):
            self.advance(MARGIN)
            with suppress(TimeoutError):
                api.wait_for_polls(polls, timeout=0.1)
                return
        raise AssertionError("the next event is not asked for")

    def advance(self, seconds: float) -> None:
        """Put the clock of the event loop forward."""
        is_done = threading.Event()

        def put_forward() -> None:
            self.loop.ahead += seconds
            is_done.set()

        self.loop.call_soon_threadsafe(put_forward)
        assert is_done.wait(LIMIT)

    def loop_has_turned(self) -> None:
        """Wait for a few turns of the event loop, in which it does what is due."""
        for _ in range(5):
            self.advance(0.0)

    def near_deadline(self) -> None:
        """Let the time of an invocation with DEADLINE come, with half of MARGIN left to clean up and to post."""
        self.advance(DEADLINE - MARGIN / 2)

    def join(self) -> BaseException | None:
        """Wait for their end, and return it."""
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "the slots go on"
        return self.error

    def end(self) -> BaseException | None:
        """Cancel them, and wait for their end."""
        with suppress(RuntimeError):  # the event loop is closed: it is over already
            self.cancel()
        return self.join()


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own, and cancel it after what ends the process, as the runtime does."""
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(coroutine)
        try:
            loop.run_until_complete(task)
        finally:
            task.cancel()
            while not task.done():
                with suppress(SystemExit, asyncio.CancelledError):  # once more, from a task group
                    loop.run_until_complete(task)


class Slots:
    """Each call starts some, with a connection to the API each."""

    def __init__(self, api: RuntimeDouble) -> None:
        self._api = api
        self._running: list[Running] = []
        self.reports: list[dict[str, Any]] = []  # the documents of errors that were logged

    def of_function(
        self, function: Callable[[Any, Any], Awaitable[object]], *, count: int = 1, **options: Any
    ) -> Running:
        """Return an async handler function, on an event loop."""
        return self._serve(FunctionTarget(function), nullcontext(), count, options)

    def on_loop(self, app: ASGIApp | Handler, *, count: int = 1, streams: bool = False, **options: Any) -> Running:
        """An ASGI application, or a handler of ours, on an event loop. `options`: of Limits, and `watchdog`."""
        handler = app if isinstance(app, Handler) else Bridge(app)
        return self._serve(HandlerTarget(handler, streams=streams), handler, count, options)

    def means(self, count: int = 1, watchdog: Watchdog | None = None, **limits: float) -> list[Means]:
        """Of so many slots. `limits`: of Limits."""
        shared = (FUNCTION, Limits(**{"margin": MARGIN} | limits), self, watchdog or Told(), count == 1)
        connections = [Connection(parse_address(self._api.address), user_agent="test") for _ in range(count)]
        return [Means(connection, *shared) for connection in connections]

    def _serve(
        self, target: Target, life: AbstractAsyncContextManager[object], count: int, options: dict[str, Any]
    ) -> Running:
        slots = [Slot(target, means) for means in self.means(count, **options)]

        async def main(running: Running) -> None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert isinstance(loop, ClockLoop)
            assert task is not None
            running.loop = loop
            async with life:
                running.started(lambda: loop.call_soon_threadsafe(task.cancel))
                try:
                    await serve(slots)
                finally:
                    others = asyncio.all_tasks() - {task}
                    running.left = sorted({each.get_name() for each in others if not each.done()} & OUR_TASKS)
                    running.served.set()

        return self._start(lambda running: _run(main(running)))

    def report(self, document: dict[str, Any]) -> None:
        self.reports.append(document)

    def flush(self) -> None:
        """Do nothing: nothing is printed here."""

    def in_threads(
        self, function: Callable[[Any, Any], object], *, count: int = 1, watchdog: Watchdog | None = None
    ) -> Running:
        """Return a plain handler function."""
        slots = [BlockingSlot(function, means) for means in self.means(count, watchdog)]
        return self._start(lambda running: self._serve_in_threads(running, slots))

    def _serve_in_threads(self, running: Running, slots: Sequence[BlockingSlot]) -> None:
        waker = Waker()

        def cancel() -> None:  # what waits for the next invocation then does so to the end of the API
            waker.is_stopping = True
            waker.wake()

        running.started(cancel)
        try:
            serve_in_threads(slots, waker)
        finally:
            waker.close()

    def _start(self, serve: Callable[[Running], None]) -> Running:
        self._running.append(Running(serve))
        return self._running[-1]

    def end(self) -> None:
        """Cancel those that still run. Nothing else has ended the others, unless their tests know of it."""
        for running in self._running:
            was_over = running.error
            error = running.end()
            assert was_over is error or error is None or isinstance(error, asyncio.CancelledError), error
            assert running.left == []
        set_trace_id("")  # of the last invocation
        set_only_invocation(LogIds())
