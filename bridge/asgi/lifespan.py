"""The application's lifespan: startup once per execution environment, shutdown at its end.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html

The application's lifespan call is one task on one event loop, from startup to shutdown. An application that raises or
returns before it has called receive() does not support lifespan scopes: "auto" goes on without them, and "on" fails.
If it fails later, its startup has failed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio

from bridge.asgi.failures import is_failure
from bridge.asgi.tasks import ApplicationTask, LoopReference, is_cancellation, make_event
from bridge.errors import ApplicationCancelled, LifespanError, ShutdownFailed, StartupFailed

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import ASGIApp, Lifespan, LifespanMode, Message

__all__ = ["LifespanOff", "LifespanOn", "TransportLifespan", "make_lifespan"]

logger = logging.getLogger("bridge")

# The version of the lifespan specification; 2.0 is the newest.
SPEC_VERSION = "2.0"

# How long an application that has answered startup.failed may clean up, in seconds. Lambda's init phase has ten.
FAILED_GRACE = 5.0


class LifespanOff:
    """A lifespan that has nothing to start or stop."""

    state: dict[str, Any] | None = None
    is_lost = False
    is_here = True

    async def startup(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None


class TransportLifespan:
    """The lifespan of a transport that has no application to start: it is opened and closed on one event loop."""

    state: dict[str, Any] | None = None

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._loop: LoopReference | None = None

    async def startup(self) -> None:
        self._loop = LoopReference()
        try:
            await self._transport.__aenter__()
        except BaseException as exc:
            if not is_failure(exc):
                raise
            raise StartupFailed(f"The transport could not be opened: {type(exc).__name__}: {exc}") from exc

    async def shutdown(self) -> None:
        try:
            await self._transport.__aexit__(None, None, None)
        except BaseException as exc:
            if not is_failure(exc):
                raise
            raise ShutdownFailed(f"The transport could not be closed: {type(exc).__name__}: {exc}") from exc

    @property
    def is_here(self) -> bool:
        return self._loop is not None and self._loop.is_here

    @property
    def is_lost(self) -> bool:
        return self._loop is not None and self._loop.is_over


# How far the application's lifespan call is. Constants, because an Enum is slow to make and to look up.
_STARTING = "starting"
_STARTED = "started"
_STOPPING = "stopping"
_OVER = "over"


class LifespanOn:
    """One run of the application's lifespan. `required`: an application that does not support it is an error."""

    def __init__(self, app: ASGIApp, *, required: bool) -> None:
        self._app = app
        self._required = required
        self._phase = _STARTING
        self._received = False
        self._answer: Message | None = None
        self._task: ApplicationTask
        self.state: dict[str, Any] | None = None

    async def startup(self) -> None:
        self._answered = make_event()
        self._stopping = make_event()
        self._loop = LoopReference()
        state: dict[str, Any] = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": SPEC_VERSION}, "state": state}
        self._task = ApplicationTask(lambda: self._run(scope), name="bridge lifespan", ended=self._answered.set)
        try:
            await self._answered.wait()
        except BaseException:
            await self._task.cancel_and_wait()
            raise
        if self._phase == _STARTED:
            self.state = state
            return
        await self._not_started()

    async def _not_started(self) -> None:
        """Wait for the application's end. Raise StartupFailed, unless it only does not support the protocol."""
        self._phase = _OVER
        self._stopping.set()
        if not self._task.done.is_set():  # An application that does not know the protocol has ended.
            try:
                with anyio.move_on_after(FAILED_GRACE):
                    await self._task.done.wait()
            finally:
                await self._task.cancel_and_wait()
        error = _raised(self._task)
        if self._answer is not None:
            raise StartupFailed(f"The application's startup failed: {_said(self._answer, error)}") from error
        if self._received or self._required:
            raise StartupFailed(self._diagnosis(error)) from error
        logger.debug("The application does not support the lifespan protocol.", exc_info=error)

    def _diagnosis(self, error: BaseException | None) -> str:
        did = "returned" if error is None else f"raised {type(error).__name__}: {error}"
        if self._received:
            return f"Expected the application to answer 'lifespan.startup', but it {did}."
        return f"lifespan='on', but the application does not support lifespan: it {did} before it called receive()."

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as exc:
            if self._phase == _STARTED:
                logger.error("The application's lifespan failed between startup and shutdown.", exc_info=exc)
            raise

    async def _receive(self) -> Message:
        if not self._received:
            self._received = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        expected = "startup" if self._phase == _STARTING else "shutdown"
        if self._phase == _STARTED and message["type"] == "lifespan.shutdown.failed":
            return  # The application ends by itself, and sends this before it raises.
        if self._answer is not None or message["type"] not in (
            f"lifespan.{expected}.complete",
            f"lifespan.{expected}.failed",
        ):
            raise LifespanError(f"Expected 'lifespan.{expected}.complete' or '.failed', but got {message['type']!r}.")
        self._answer = message
        if message["type"] == "lifespan.startup.complete":
            self._phase = _STARTED
        self._answered.set()

    async def shutdown(self) -> None:
        if self._phase != _STARTED:
            return
        self._phase, self._answer = _STOPPING, None
        self._stopping.set()
        try:
            await self._task.done.wait()
        except BaseException:
            await self._task.cancel_and_wait()
            raise
        self._phase = _OVER
        self._check_shutdown(self._answer, _raised(self._task))

    def _check_shutdown(self, answer: Message | None, error: BaseException | None) -> None:
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise ShutdownFailed(f"The application's shutdown failed: {_said(answer, error)}") from error
        if error is not None:
            raise ShutdownFailed(f"The application's shutdown raised {type(error).__name__}: {error}") from error

    @property
    def is_here(self) -> bool:
        return self._phase == _OVER or self._loop.is_here  # an application without lifespan has opened nothing

    @property
    def is_lost(self) -> bool:
        if self._phase != _STARTED:
            return False
        return self._loop.is_over


def _raised(task: ApplicationTask) -> BaseException | None:
    """Return what the application raised: ApplicationCancelled for a cancellation that was not asked for here.

    Raises an exit.
    """
    error = task.error
    if is_cancellation(error):
        return None if task.cancelled else ApplicationCancelled()
    if error is None or is_failure(error):
        return error
    raise error


def _said(answer: Message, error: BaseException | None) -> str:
    """Return the message of an answer. Starlette's is the traceback of `error`, which is the cause already."""
    message = str(answer.get("message", "")).strip()
    if error is not None and message.startswith("Traceback "):
        return f"{type(error).__name__}: {error}"
    return message or "it gave no message."


def make_lifespan(app: ASGIApp, mode: LifespanMode) -> Lifespan:
    """Make a lifespan for `app`, which is not started yet."""
    return LifespanOff() if mode == "off" else LifespanOn(app, required=mode == "on")
