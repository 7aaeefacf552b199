"""What the web server writes to stderr: it is passed on, and its end is kept for the report of a crash."""

from __future__ import annotations

import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO

__all__ = ["LAST_LINES", "MAX_LINE", "Stderr"]

# How many of its last lines on stderr are logged with its exit: about one traceback, within one log line of CloudWatch.
LAST_LINES = 30
MAX_LINE = 1000

# In bytes: a line that is longer is passed on in pieces of this length.
_MAX_PIECE = 65536

# How long to wait for the rest of stderr, in seconds, once the process and its children were killed: a process that was
# not found may hold it open. The next start waits for the report.
GRACE = 1.0


class Stderr:
    """A thread that passes a process's stderr on and keeps its last lines."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._thread = threading.Thread(target=self._pump, name="bridge origin stderr", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        with self._stream as stream:
            while piece := stream.readline(_MAX_PIECE):
                text = piece.decode("utf-8", "replace")
                self._lines.append(text.rstrip("\r\n")[:MAX_LINE])
                # sys.stderr may be None, closed, or any object; the server must not wait for a reader.
                with suppress(Exception):
                    sys.stderr.write(text)
                    sys.stderr.flush()

    def last_words(self) -> str:
        """Wait for its end, up to GRACE seconds, and describe it in printable text."""
        self._thread.join(GRACE)
        lines = "".join(f"\n    {_printable(line)[:MAX_LINE]}" for line in list(self._lines))
        return f" Its last lines on stderr:{lines}" if lines else " It wrote nothing to stderr."


def _printable(line: str) -> str:
    """Escape what could start a line of its own in the log, or change how a terminal shows it. Tabs stay."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line)
