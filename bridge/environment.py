"""The parts of a handler that live as long as the process: its event loop and the application's lifespan.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

import anyio

from bridge._loop import OwnLoop
from bridge._loop_end import close_forgotten
from bridge.asgi.lifespan import LifespanOn, TransportLifespan
from bridge.asgi.tasks import in_async_code
from bridge.errors import ForeignLoopError, LoopClosedError, RunningLoopError
from bridge.init_phase import warn_of_streams
from bridge.settings import asks_for_streams, in_lambda, warn_of_other_runtime
from bridge.signals import ctrl_c_cancels, hearing_signals, sigterm
from bridge.startup_watch import watched_startup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge._types import Lifespan
    from bridge.init_phase import Runtime

__all__ = ["Environment"]

logger = logging.getLogger("bridge")


class Environment:
    """The owner of what lives as long as the process: the event loop, and on it the application's lifespan."""

    def __init__(self, new_lifespan: Callable[[], Lifespan]) -> None:
        self.loop = OwnLoop()
        # From the end of startup to shutdown; None before and after.
        self.lifespan: Lifespan | None = None
        # Called once, before the first sync call.
        self.before_first_call: Callable[[], None] | None = None
        self._new_lifespan = new_lifespan
        self._is_on_own_loop = False  # The lifespan was started there, and not on a caller's loop.
        self._guard = threading.Lock()
        self._attempt: _Attempt | None = None
        self._failure: Exception | None = None
        self._is_postponed = False
        self._is_closed = False
        _environments[id(self)] = self

    def start_in_init_phase(self, runtime: Runtime) -> None:
        """Run the startup, or leave it to the runtime.

        In the init phase CPU is not throttled, and SnapStart takes its snapshot at the end of it.
        """
        if not runtime.can_stream:
            warn_of_other_runtime()
            if asks_for_streams():
                warn_of_streams()
        self.loop.new_loop = runtime.new_loop
        if runtime.startups is None:
            self.start_now()
        else:
            self._is_postponed = True
            runtime.startups.append(self.start_now)

    def start_now(self) -> None:
        """Run the startup in the process that is to serve, which may be a fork of the one that has made the handler.

        Raises StartupFailed.
        """
        sigterm.check()
        if self._is_closed:
            return
        self._is_postponed = False
        sigterm.shut_down(self)  # First, because SIGTERM must cancel a startup that is going on.
        if not in_async_code():
            try:
                with ctrl_c_cancels(self.loop):
                    self.loop.run(hearing_signals(self.start))
            except BaseException:
                self.loop.close()
                sigterm.leave(self)
                raise
        _close_all_at_exit()

    def leave_to_parent(self) -> None:
        """In a fork, neither use nor close what its parent has started: two processes cannot share an event loop.

        Another thread of the parent may hold a lock, which nothing in the fork would ever release.
        """
        self._parents = (self.loop, self.lifespan)  # Kept: what is destroyed unfinished is reported, and closed.
        self._guard, self._attempt, self._failure = threading.Lock(), None, None
        self.loop, self.lifespan = OwnLoop(self.loop.new_loop), None

    def ready_on_own_loop(self) -> None:
        """Prepare a sync call: run the startup on the own loop, unless it was run.

        Raises as `ready`, RunningLoopError inside a running event loop, and LoopClosedError after close().
        """
        self.loop.check_callable()
        if self.before_first_call is not None:
            first, self.before_first_call = self.before_first_call, None
            first()
        lifespan = self.lifespan
        if lifespan is None or lifespan.is_lost:
            with ctrl_c_cancels(self.loop):
                self.loop.run(self.start())
        elif not self._is_on_own_loop and not lifespan.is_here:
            raise ForeignLoopError("Use 'await handler.handle(event, context)' on that event loop.")

    async def ready(self) -> None:
        """Run the startup on the caller's loop, unless it was run. Raises StartupFailed and ForeignLoopError."""
        if self.lifespan is None or self.lifespan.is_lost:
            await self.start()
        if self.lifespan is not None and not self.lifespan.is_here:
            raise ForeignLoopError(
                "Call handler(event, context) outside of async code, or await every call on one event loop."
                if self._is_on_own_loop
                else "Await the handler on that event loop alone."
            )

    async def start(self) -> None:
        """Run the startup once, however many calls come concurrently and from however many event loops.

        Raises StartupFailed, and LoopClosedError after close(). In Lambda a startup that failed fails every time
        again: Lambda replaces the environment. Elsewhere the next call tries again.
        """
        while self.lifespan is None or self.lifespan.is_lost:
            with self._guard:
                if self._is_closed:
                    raise LoopClosedError()
                if self._failure is not None:
                    # Without the traceback of the call before, or it would grow with every call.
                    raise self._failure.with_traceback(None)
                under_way = self._attempt
                attempt = self._attempt = under_way or _Attempt()
            if under_way is None:
                await self._start_here(attempt)
            else:
                await under_way.wait()

    async def _start_here(self, attempt: _Attempt) -> None:
        if self.lifespan is not None:
            logger.warning("The event loop on which the application was started is closed: starting it again.")
        lifespan = self._new_lifespan()
        try:
            if isinstance(lifespan, LifespanOn | TransportLifespan):  # a web server's wait has log lines of its own
                with watched_startup():
                    await lifespan.startup()
            else:
                await lifespan.startup()
            if self._is_closed and not self.loop.is_running_here:  # close() waits for the own loop alone
                await lifespan.shutdown()
                raise LoopClosedError()
            self._is_on_own_loop = self.loop.is_running_here
            self.lifespan = lifespan
            if self._is_on_own_loop:
                _close_all_at_exit()
        except Exception as exc:
            attempt.failure = exc
            self._failure = exc if in_lambda() else None
            raise
        finally:
            self._attempt = None
            attempt.ended.set()

    async def stop(self) -> None:
        """Run the shutdown from async code, on the event loop that ran the startup.

        Raises ShutdownFailed, and ForeignLoopError on another event loop.
        """
        if self.lifespan is not None and not self.lifespan.is_lost and not self.lifespan.is_here:
            raise ForeignLoopError("Leave 'async with handler' on that event loop.")
        await self._shutdown()

    async def _shutdown(self) -> None:
        lifespan, self.lifespan = self.lifespan, None
        if lifespan is not None and not lifespan.is_lost:
            await lifespan.shutdown()

    def close(self) -> None:
        """Run the shutdown, if that can be run on the own loop, and close that loop. Idempotent.

        Raises ShutdownFailed, and RunningLoopError inside a running event loop.
        """
        if self._is_closed:
            return
        if in_async_code():
            raise RunningLoopError("handler.close()", advice="Use 'async with handler' there.")
        self.loop.check_not_nested(call="handler.close()", advice="Close the handler after the call.")
        self._is_closed = True
        # A lifespan without a loop, such as a web server's, is shut down even if the own loop was never made.
        is_anywhere = self.lifespan is not None and self.lifespan.is_here
        try:
            self.loop.close(self._shutdown_on_own_loop, makes_loop=is_anywhere)
        finally:
            sigterm.leave(self)

    async def _shutdown_on_own_loop(self) -> None:
        if self._is_on_own_loop or (self.lifespan is not None and self.lifespan.is_here):
            await self._shutdown()

    def interrupt(self, then: Callable[[], None]) -> bool:
        """Cancel the current thread's call, and call `then` after it. Return whether there is a call."""
        return self.loop.interrupt(then)

    def close_on_sigterm(self) -> None:
        """Close, unless another thread is in a call or this one in async code: then the end of the process closes."""
        if not self.loop.is_busy and not in_async_code():
            self.close_and_log()

    def close_and_log(self) -> None:
        """Close where no caller can take an exception."""
        try:
            self.close()
        except Exception as exc:
            logger.error("The application's shutdown failed.", exc_info=exc)

    async def before_snapshot(self) -> None:
        """Shut the application down. Raises ShutdownFailed."""
        await self._shutdown()

    async def after_restore(self) -> None:
        """Start the application again. Raises StartupFailed."""
        await self.start()

    def run_around_snapshot(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run a hook of Lambda's runtime, which calls it from synchronous code.

        It does nothing after close(), and before a startup that is left to the workers.
        """
        if not self._is_closed and not self._is_postponed:
            self.loop.run(hearing_signals(lambda: self._ready_and(step)))

    async def _ready_and(self, step: Callable[[], Awaitable[None]]) -> None:
        await self.ready()  # The handler may have been made inside an event loop.
        await step()


class _Attempt:
    """One run of the startup. `failure`: what it raised, for all calls that wait for it."""

    __slots__ = ("ended", "failure")

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.failure: Exception | None = None

    async def wait(self) -> None:
        """Wait for its end in a thread, because it may be on another thread's loop. Raises its failure."""
        from anyio import to_thread  # one of anyio's heavier parts, and `import bridge` does without it

        # Not one of the default limiter's threads, which the startup may need itself.
        await to_thread.run_sync(self.ended.wait, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        if self.failure is not None:
            raise self.failure.with_traceback(None)


# The environments of this process, in the order in which they were made.
_environments: weakref.WeakValueDictionary[int, Environment] = weakref.WeakValueDictionary()


def _leave_all_to_parent() -> None:
    for environment in list(_environments.values()):
        environment.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def _close_all() -> None:
    for environment in reversed(list(_environments.values())):
        environment.close_and_log()
    close_forgotten()


_closes_at_exit = False


def _close_all_at_exit() -> None:
    """Close before the interpreter waits for threads, because those of the application may wait for that.

    anyio's worker threads end with their event loop, so a program that never closes its handler would never end.
    """
    global _closes_at_exit
    if not _closes_at_exit:
        _closes_at_exit = True
        register = getattr(threading, "_register_atexit", atexit.register)  # as concurrent.futures does
        register(_close_all)
