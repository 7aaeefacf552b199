"""What an environment goes through before its first invocation: how long it may take, and when each step was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from bridge.local.invocation import Invocation

__all__ = ["Stages"]

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: of the init phase, and of a restore, in
# seconds.
INIT_LIMIT = 10.0

_SLOW = (
    f"The init phase has not ended after {INIT_LIMIT:g} s. Lambda would start it anew with the invocation. Does the "
    "module wait for something, or start a server, when it is imported?"
)


class Stages:
    """Moments of `time.monotonic()`. `passed`: called with the limit of a stage that takes longer, in seconds.

    `slow`: called with a sentence when the init phase takes longer than Lambda's own limit, which a function under
    `dev` may pass.
    """

    def __init__(self, passed: Callable[[float], None], slow: Callable[[str], None]) -> None:
        self._passed, self._slow = passed, slow
        self._timers: list[asyncio.TimerHandle] = []
        self._is_noted = False
        self.init_start: float | None = None
        self.init_end: float | None = None
        self.restore_start: float | None = None
        self.restore_end: float | None = None

    def begin_init(self, more: float) -> None:
        """Begin the init phase. `more`: how many seconds it may take beyond Lambda's limit."""
        self._call_later(INIT_LIMIT, self._slow, _SLOW)
        self.init_start = self._begin(INIT_LIMIT + more)

    def end_init(self) -> None:
        self.init_end = self.end()

    def begin_restore(self) -> None:
        self.restore_start = self._begin(INIT_LIMIT)

    def ready(self) -> None:
        """Note the end of the init phase, or that of the restore."""
        if self.restore_start is None:
            self.end_init()
        else:
            self.restore_end = self.end()

    def _begin(self, limit: float) -> float:
        self._call_later(limit, self._passed, limit)
        return time.monotonic()

    def _call_later(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, callback, *args))

    def end(self) -> float:
        """End the limits of the stage. Return the moment."""
        while self._timers:
            self._timers.pop().cancel()
        return time.monotonic()

    def note(self, invocation: Invocation, lines: Iterable[tuple[float, str]]) -> None:
        """Note in a record how its environment came to it; in the first one also what came before, with its `lines`."""
        if self._is_noted:
            invocation.started = "warm"
            return
        self._is_noted = True
        invocation.started = "cold" if self.restore_start is None else "restored"
        self.show(invocation)
        for moment, text in lines:
            invocation.log(text, moment)

    def show(self, invocation: Invocation) -> None:
        """Note in the record of the first invocation how far the start has come."""
        for name in ("init_start", "init_end", "restore_start", "restore_end"):
            moment = getattr(self, name)
            setattr(invocation.timeline, name, None if moment is None else invocation.since(moment))
