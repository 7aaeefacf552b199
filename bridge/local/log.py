"""What an environment has printed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

__all__ = ["Log"]

# The oldest lines are dropped past either limit. The second one is in characters, and the newest line stays.
MAX_LINES = 1000
MAX_SIZE = 1 << 20


class Log:
    """The last lines of an environment's output, each with its moment of `time.monotonic()`."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[tuple[float, str]]:
        return iter(self._lines)

    def add(self, texts: Sequence[str]) -> None:
        now = time.monotonic()
        for text in texts:
            self._lines.append((now, text))
            self._size += len(text)
            while len(self._lines) > MAX_LINES or (self._size > MAX_SIZE and len(self._lines) > 1):
                self._size -= len(self._lines.popleft()[1])
