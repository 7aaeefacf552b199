"""A handler's side of the execution environment: its event loop, the application's lifespan, and how both end.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

import anyio

from bridge._loop import OwnLoop
from bridge.asgi.tasks import in_async_code
from bridge.errors import ForeignLoopError, LoopClosedError, RunningLoopError, Terminated
from bridge.settings import asks_for_streams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from bridge._types import Lifespan

__all__ = ["Environment", "is_sigterm_free"]

logger = logging.getLogger("bridge")


class Environment:
    """The owner of what lives as long as the process: the event loop, and on it the application's lifespan."""

    def __init__(self, new_lifespan: Callable[[], Lifespan]) -> None:
        self.loop = OwnLoop()
        # From the end of startup to shutdown; None before and after.
        self.lifespan: Lifespan | None = None
        self._new_lifespan = new_lifespan
        self._is_on_own_loop = False  # where the lifespan was started: here, or on a caller's loop
        self._guard = threading.Lock()
        self._starting: threading.Event | None = None
        self._failure: Exception | None = None
        self._closed = False
        self._closes_at_exit = False
        self._previous: Any = None  # what took SIGTERM before
        self._pid = os.getpid()

    # Of the whole process. What the runtime that runs it can do; and whether startup waits for `start_in_worker`.
    is_in_own_runtime = False
    is_postponed = False
    _has_warned = False

    @classmethod
    def prepare(cls, *, postpones_startup: bool) -> None:
        """For `python -m bridge.runtime`, before it imports a handler.

        `postpones_startup`: it forks after the import, and each of its workers runs the startup itself. What a startup
        opens, and its event loop, are no good to two processes.
        """
        cls.is_in_own_runtime, cls.is_postponed = True, postpones_startup

    def start_in_worker(self) -> None:
        """The startup that was postponed, in the forked process that is to serve. Raises StartupFailed.

        Should the import have called the handler, then that was in the parent: nothing of it is used here, or closed.
        """
        self._pid = os.getpid()
        self._parents = self.loop, self.lifespan
        self.loop, self.lifespan, self._failure = OwnLoop(), None, None
        self._run_startup()

    def start_in_init_phase(self) -> None:
        """Startup belongs to the import: there CPU is not throttled, and SnapStart takes its snapshot after it."""
        if asks_for_streams() and not self.is_in_own_runtime:
            self._warn_of_streams()
        if not self.is_postponed:
            self._run_startup()

    @classmethod
    def _warn_of_streams(cls) -> None:
        if not cls._has_warned:
            cls._has_warned = True
            logger.warning(
                "AWS_LWA_INVOKE_MODE is 'response_stream', but the runtime that runs this process cannot stream: every "
                "response is given to Lambda in one piece. To stream takes 'python -m bridge.runtime'."
            )

    def _run_startup(self) -> None:
        self._close_on_sigterm()  # first: a startup that is going on is cancelled
        if not in_async_code():
            try:
                self.loop.run(self.start())
            except BaseException:
                self.loop.close()
                self._leave_sigterm()
                raise
        self._close_at_exit()

    def _close_at_exit(self) -> None:
        """Before the interpreter waits for threads, because those that the application has started may wait for it.

        anyio's worker threads end with their event loop, so a program that never closes its handler would never end.
        """
        if not self._closes_at_exit:
            self._closes_at_exit = True
            register = getattr(threading, "_register_atexit", atexit.register)  # as concurrent.futures does
            register(_closer(weakref.ref(self)))

    def _close_on_sigterm(self) -> None:
        """SIGTERM ends a Lambda environment, and Python's own answer is to die at once.

        Somebody else's signal handler stays as it is; that of another Environment is called after ours.
        """
        if threading.current_thread() is threading.main_thread() and is_sigterm_free():
            self._previous = signal.getsignal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, self._terminate)

    def _leave_sigterm(self) -> None:
        if getattr(signal.getsignal(signal.SIGTERM), "__self__", None) is self:
            signal.signal(signal.SIGTERM, self._previous)

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        """Run the shutdown here and now: from Python 3.13 on, atexit waits first for threads such as awslambdaric's.

        In the middle of an invocation it is cancelled first. Where another thread drives the loop, atexit has to do.
        """
        if os.getpid() != self._pid:  # a forked child: the application belongs to its parent
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        signal.signal(signum, signal.SIG_IGN)  # one is enough, and a second would cut the shutdown short
        if not self.loop.interrupt(lambda: self._exit(signum, frame)):
            self._exit(signum, frame)

    def _exit(self, signum: int, frame: FrameType | None) -> None:
        if not self.loop.is_driven and not in_async_code():
            try:
                self.close()
            except Exception as exc:
                logger.error("The application's shutdown failed.", exc_info=exc)
        if callable(self._previous):
            self._previous(signum, frame)
        raise Terminated(0)

    async def start(self) -> None:
        """Run the startup once, however many calls come at once and from however many event loops.

        Raises StartupFailed, every time again, and LoopClosedError after close().
        """
        while self.lifespan is None or self.lifespan.is_lost:
            with self._guard:
                if self._closed:
                    raise LoopClosedError()
                if self._failure is not None:
                    # Without the traceback of the call before, or it would grow with every call.
                    raise self._failure.with_traceback(None)
                under_way = self._starting
                self._starting = under_way or threading.Event()
            if under_way is None:
                await self._start_now(self._starting)
            else:
                # The startup may be on another thread's loop, so only a thread can wait for it.
                from anyio import to_thread  # one of anyio's heavier parts, and `import bridge` does without it

                # Not out of the default limiter's threads, which the startup may need itself.
                limiter = anyio.CapacityLimiter(1)
                await to_thread.run_sync(under_way.wait, abandon_on_cancel=True, limiter=limiter)

    async def _start_now(self, starting: threading.Event) -> None:
        if self.lifespan is not None:
            logger.warning("The event loop on which the application was started is closed: starting it again.")
        lifespan = self._new_lifespan()
        try:
            await lifespan.startup()
            if self._closed and not self.loop.is_running_here:  # close() waits for the own loop alone
                await lifespan.shutdown()
                raise LoopClosedError()
            self._is_on_own_loop = self.loop.is_running_here
            self.lifespan = lifespan
            if self._is_on_own_loop:
                self._close_at_exit()
        except Exception as exc:
            self._failure = exc
            raise
        finally:
            self._starting = None
            starting.set()

    async def stop(self) -> None:
        """Run the shutdown from async code, on the event loop that ran the startup.

        Raises ShutdownFailed, and ForeignLoopError if that loop is neither the caller's nor our own.
        """
        if self.lifespan is None or self.lifespan.is_lost or self.lifespan.is_here:
            await self._shutdown()
        elif self._is_on_own_loop:
            from anyio import to_thread

            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(lambda: self.loop.run(self._shutdown()))
        else:
            raise ForeignLoopError()

    async def _shutdown(self) -> None:
        lifespan, self.lifespan = self.lifespan, None
        if lifespan is not None and not lifespan.is_lost:
            await lifespan.shutdown()

    def close(self) -> None:
        """Run the shutdown, if that can be run on the own loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop.
        """
        if self._closed or os.getpid() != self._pid:
            return
        if in_async_code():
            raise RunningLoopError("handler.close()", "async with handler")
        self._closed = True
        # What belongs to no loop, as a web server does, is shut down even if the own loop was never made.
        is_anywhere = self.lifespan is not None and self.lifespan.is_here
        self.loop.close(self._shutdown_on_own_loop, makes_loop=is_anywhere)

    async def _shutdown_on_own_loop(self) -> None:
        if self._is_on_own_loop or (self.lifespan is not None and self.lifespan.is_here):
            await self._shutdown()

    async def before_snapshot(self) -> None:
        """Shut the application down. Raises ShutdownFailed."""
        await self._shutdown()

    async def after_restore(self) -> None:
        """Start the application again. Raises StartupFailed."""
        await self.start()

    def run_around_snapshot(self, step: Callable[[], Awaitable[None]]) -> None:
        """For the hooks of Lambda's runtime, which calls them from synchronous code.

        After close() nothing is left, and before a startup that is postponed nothing is there.
        """
        if not self._closed and not self.is_postponed:
            self.loop.run(self._started_and(step))

    async def _started_and(self, step: Callable[[], Awaitable[None]]) -> None:
        if self.lifespan is None or self.lifespan.is_lost:  # the handler was made inside an event loop
            await self.start()
        await step()


def is_sigterm_free() -> bool:
    """Whether SIGTERM does what Python does by itself, or what an Environment makes of that."""
    handler = signal.getsignal(signal.SIGTERM)
    return handler is signal.SIG_DFL or getattr(handler, "__func__", None) is Environment._terminate


def _closer(reference: weakref.ref[Environment]) -> Callable[[], None]:
    def close() -> None:
        environment = reference()
        if environment is None:
            return
        try:
            environment.close()
        except Exception as exc:
            logger.error("The application's shutdown failed.", exc_info=exc)

    return close
