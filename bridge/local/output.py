"""What the processes of an environment print."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

__all__ = ["Listener", "Output"]

Listener = Callable[[Sequence[str]], None]

# Of what is kept that belongs to no invocation: how many lines, and how many characters, but at least one line.
MAX_LINES = 1000
MAX_SIZE = 1 << 20


class Output:
    """The last lines, each with its moment of `time.monotonic()`. `listeners`: called with new lines."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._size = 0
        self.lines: deque[tuple[float, str]] = deque()

    def add(self, texts: Sequence[str]) -> None:
        now = time.monotonic()
        for text in texts:
            self.lines.append((now, text))
            self._size += len(text)
            while len(self.lines) > MAX_LINES or (self._size > MAX_SIZE and len(self.lines) > 1):
                self._size -= len(self.lines.popleft()[1])
        for listener in self._listeners:
            listener(texts)
