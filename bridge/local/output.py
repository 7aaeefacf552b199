"""What the processes of an environment print."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Output"]

# How many lines are kept that belong to no invocation.
_MAX_LINES = 1000


class Output:
    """The last lines, each with its moment of `time.monotonic()`. `listeners`: called with each one."""

    def __init__(self, *listeners: Callable[[str], None]) -> None:
        self._listeners = listeners
        self.lines: deque[tuple[float, str]] = deque(maxlen=_MAX_LINES)

    def add(self, text: str) -> None:
        self.lines.append((time.monotonic(), text))
        for listener in self._listeners:
            listener(text)
