"""The init phase and the restore of an environment: how long they may take, and when they were, for a record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from bridge.local.failures import init_timed_out
from bridge.local.invocation import Failure, Invocation

__all__ = ["INIT_LIMIT", "Stages"]

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: of the init phase, and of a restore, in
# seconds.
INIT_LIMIT = 10.0


class Stages:
    """`too_long`: called with the failure if a stage takes too long. Its moments are those of `time.monotonic()`."""

    def __init__(self, too_long: Callable[[Failure], None]) -> None:
        self._too_long = too_long
        self._moments: dict[str, float] = {}
        self._limit: asyncio.TimerHandle | None = None
        self._is_noted = False

    @property
    def has_restored(self) -> bool:
        """Whether the restore has begun."""
        return "restore_start" in self._moments

    @property
    def has_snapshot(self) -> bool:
        """Whether the init phase is over."""
        return "init_end" in self._moments

    def begin_init(self, more: float) -> None:
        """`more`: seconds beyond Lambda's limit, because Lambda repeats an init phase as part of the invocation."""
        self._begin("init_start", INIT_LIMIT + more)

    def begin_restore(self) -> None:
        self._begin("restore_start", INIT_LIMIT)

    def _begin(self, name: str, seconds: float) -> None:
        self._moments[name] = time.monotonic()
        self._limit = asyncio.get_running_loop().call_later(seconds, lambda: self._too_long(init_timed_out(seconds)))

    def end(self) -> None:
        """Note the end of the init phase, or that of the restore."""
        self.cancel()
        self._moments["restore_end" if self.has_restored else "init_end"] = time.monotonic()

    def cancel(self) -> None:
        """Stop to wait for the end of a stage."""
        if self._limit is not None:
            self._limit.cancel()

    def note(self, invocation: Invocation, lines: Iterable[tuple[float, str]]) -> None:
        """Note in a record that it reached the runtime; in the first one also what came before, with its `lines`."""
        timeline = invocation.timeline
        timeline.start = invocation.since()
        if timeline.assigned is None:
            timeline.assigned = timeline.start
        if self._is_noted:
            invocation.started = "warm"
            return
        self._is_noted = True
        invocation.started = "restored" if self.has_restored else "cold"
        for name, moment in self._moments.items():
            setattr(timeline, name, invocation.since(moment))
        for moment, text in lines:
            invocation.log(text, moment)
