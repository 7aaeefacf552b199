"""What an environment went through before its first invocation, for that one's record."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.local.invocation import Invocation

__all__ = ["Stages"]


@dataclass
class Stages:
    """Moments of `time.monotonic()`."""

    init_start: float | None = None
    init_end: float | None = None
    restore_start: float | None = None
    restore_end: float | None = None
    _is_noted: bool = False

    def ready(self) -> None:
        """Note the end of the init phase, or that of the restore."""
        if self.restore_start is None:
            self.init_end = time.monotonic()
        else:
            self.restore_end = time.monotonic()

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
