"""Slots of a runtime in the test's own process: on an event loop in a thread of its own, or in threads each."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from bridge import Bridge, Handler
from bridge._loop import OwnLoop
from bridge._types import ASGIApp, Message
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.context import Function
from bridge.runtime.invocations.answer import Limits
from bridge.runtime.invocations.blocking import BlockingSlot
from bridge.runtime.invocations.serving import Waker, serve, serve_in_threads
from bridge.runtime.invocations.slots import Slot
from bridge.runtime.invocations.targets import FunctionTarget, HandlerTarget, Target
from bridge.settings import set_trace_id
from tests.runtime.double import LIMIT, RuntimeDouble

__all__ = ["FUNCTION", "NO_DEADLINE", "START", "Gate", "Logged", "Running", "Slots", "part"]

Logged = Callable[[], list[tuple[int, str]]]

OUR_TASKS = {"bridge application", "bridge invocation", "bridge slot", "bridge stop"}

# For `RuntimeDouble.invoke`: it comes out as what is no number of milliseconds.
NO_DEADLINE = -1e10

START: Message = {"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"text/plain")]}


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


FUNCTION = Function(name="shop", version="$LATEST", memory_limit_in_mb="128")


class Gate:
    """Opened by one side; the other one waits for it, on an event loop or in a thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        """From any thread."""
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


class Running:
    """Slots that are served. `error`: what has ended them, once they have."""

    def __init__(self, serve: Callable[["Running"], None]) -> None:
        self.cancel: Callable[[], object] = lambda: None
        self.error: BaseException | None = None
        self.left: list[str] = []  # the names of tasks of ours that were there then
        self.served = threading.Event()  # and nothing is closed yet
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

    def join(self) -> BaseException | None:
        """Wait for their end: what it was."""
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "the slots go on"
        return self.error

    def end(self) -> BaseException | None:
        """Cancel them, and wait for their end."""
        with suppress(RuntimeError):  # the event loop is closed: it is over already
            self.cancel()
        return self.join()


class Slots:
    """Each call starts some, with a connection to the API each."""

    def __init__(self, api: RuntimeDouble) -> None:
        self._api = api
        self._running: list[Running] = []
        self.reports: list[dict[str, Any]] = []  # the documents of errors that were logged

    def of_function(
        self, function: Callable[[Any, Any], Awaitable[object]], *, count: int = 1, **limits: Any
    ) -> Running:
        """An async handler function, on an event loop."""
        loop = OwnLoop()
        return self._serve(FunctionTarget(function), loop.run, loop.close, count, limits)

    def on_loop(self, app: ASGIApp | Handler, *, count: int = 1, streams: bool = False, **limits: Any) -> Running:
        """An ASGI application, or a handler of ours, on an event loop."""
        handler = app if isinstance(app, Handler) else Bridge(app)
        handler._run(handler.__aenter__())  # as in the init phase
        return self._serve(HandlerTarget(handler, streams=streams), handler._run, handler.close, count, limits)

    def _serve(
        self, target: Target, run: Callable[[Any], Any], close: Callable[[], None], count: int, limits: dict[str, Any]
    ) -> Running:
        slots = [
            Slot(self._connect(), target, limits=self._limits(limits), function=FUNCTION, is_alone=count == 1)
            for _ in range(count)
        ]

        async def main(running: Running) -> None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None
            running.started(lambda: loop.call_soon_threadsafe(task.cancel))
            try:
                await serve(slots)
            finally:
                others = asyncio.all_tasks() - {task}
                running.left = sorted({each.get_name() for each in others if not each.done()} & OUR_TASKS)
                running.served.set()

        def run_and_close(running: Running) -> None:
            try:
                run(main(running))
            finally:
                close()

        return self._start(run_and_close)

    def in_threads(self, function: Callable[[Any, Any], object], *, count: int = 1, **limits: Any) -> Running:
        """A plain handler function."""
        slots = [
            BlockingSlot(
                self._connect(),
                function,
                limits=self._limits(limits),
                function=FUNCTION,
                block=None,
                is_alone=count == 1,
            )
            for _ in range(count)
        ]
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

    def _connect(self) -> Connection:
        return Connection(parse_address(self._api.address), user_agent="test")

    def _limits(self, changed: dict[str, Any]) -> Limits:
        report: Callable[[dict[str, Any]], None] = self.reports.append
        known = {"margin": 0.25, "background": None, "report": report, "flush": lambda: None}
        return Limits(**known | changed)

    def end(self) -> None:
        """Those that still run are cancelled, and nothing else has ended the others: their tests have looked at it."""
        for running in self._running:
            was_over = running.error
            error = running.end()
            assert was_over is error or error is None or isinstance(error, asyncio.CancelledError), error
            assert running.left == []
        set_trace_id("")  # of the last invocation
