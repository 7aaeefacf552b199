"""What an environment goes through before its first invocation: how long it may take, and when each step was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from bridge.local.invocation import Invocation

__all__ = ["Stages"]


class Stages:
    """Moments of `time.monotonic()`. `passed`: called with the limit of a stage that takes longer, in seconds."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        self._passed = passed
        self._limit: asyncio.TimerHandle | None = None
        self._is_noted = False
        self.init_start: float | None = None
        self.init_end: float | None = None
        self.restore_start: float | None = None
        self.restore_end: float | None = None

    def begin_init(self, limit: float) -> None:
        self.init_start = self._begin(limit)

    def end_init(self) -> None:
        self.init_end = self.end()

    def begin_restore(self, limit: float) -> None:
        self.restore_start = self._begin(limit)

    def ready(self) -> None:
        """Note the end of the init phase, or that of the restore."""
        if self.restore_start is None:
            self.end_init()
        else:
            self.restore_end = self.end()

    def _begin(self, limit: float) -> float:
        self._limit = asyncio.get_running_loop().call_later(limit, self._passed, limit)
        return time.monotonic()

    def end(self) -> float:
        """End the limit of the stage. Return the moment."""
        if self._limit is not None:
            self._limit.cancel()
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
