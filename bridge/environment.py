"""A handler's side of the execution environment: its event loop, the application's lifespan, and how both end.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import atexit
import logging
import signal
import threading
from typing import TYPE_CHECKING

import anyio

from bridge._loop import OwnLoop
from bridge.errors import LoopClosedError, RunningLoopError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from bridge._types import Lifespan

__all__ = ["Environment"]

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

    def start_in_init_phase(self) -> None:
        """Startup belongs to the import: there CPU is not throttled, and SnapStart takes its snapshot after it."""
        if not _is_in_async_code():
            try:
                self.loop.run(self.start())
            except BaseException:
                self.loop.close()
                raise
        atexit.register(self.close)
        self._close_on_sigterm()

    def _close_on_sigterm(self) -> None:
        """SIGTERM ends a Lambda environment, and Python's own answer is to die at once.

        Somebody else's signal handler stays as it is; that of another Environment is called after ours.
        """
        previous = signal.getsignal(signal.SIGTERM)
        is_ours = getattr(previous, "__func__", None) is Environment._terminate
        if threading.current_thread() is threading.main_thread() and (is_ours or previous is signal.SIG_DFL):
            self._previous = previous
            signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        """Run the shutdown here and now: from Python 3.13 on, atexit waits first for threads such as awslambdaric's.

        In the middle of an invocation the loop is busy: there SystemExit ends the invocation, and atexit does the rest.
        """
        if not self.loop.is_driven:
            try:
                self.close()
            except Exception as exc:
                logger.error("The application's shutdown failed.", exc_info=exc)
        if callable(self._previous):
            self._previous(signum, frame)
        raise SystemExit(0)

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

                await to_thread.run_sync(under_way.wait, abandon_on_cancel=True)

    async def _start_now(self, starting: threading.Event) -> None:
        if self.lifespan is not None:
            logger.warning("The event loop on which the application was started is closed: starting it again.")
        lifespan = self._new_lifespan()
        try:
            await lifespan.startup()
            self._is_on_own_loop = self.loop.is_running_here
            self.lifespan = lifespan
        except Exception as exc:
            self._failure = exc
            raise
        finally:
            self._starting = None
            starting.set()

    async def stop(self) -> None:
        """Run the shutdown from async code, on the event loop that ran the startup. Raises ShutdownFailed."""
        from anyio import to_thread

        if self.lifespan is not None and self._is_on_own_loop and not self.loop.is_running_here:
            await to_thread.run_sync(self.loop.run, self._shutdown())
        else:
            await self._shutdown()

    async def _shutdown(self) -> None:
        lifespan, self.lifespan = self.lifespan, None
        if lifespan is not None and not lifespan.is_lost:
            await lifespan.shutdown()

    def close(self) -> None:
        """Run the shutdown, if the startup ran on the own loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop.
        """
        if self._closed:
            return
        if _is_in_async_code():
            raise RunningLoopError("handler.close()", "async with handler")
        self._closed = True
        try:
            if self.lifespan is not None and self._is_on_own_loop:
                self.loop.run(self._shutdown())
        finally:
            self.loop.close()


def _is_in_async_code() -> bool:
    try:
        anyio.get_current_task()
    except Exception:
        return False
    return True
