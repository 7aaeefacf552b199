"""The wall clock of an environment that is restored: ahead of its monotonic clock, as after a snapshot.

libfaketime does it where it is installed: the process reads the offset from a file, and its monotonic clock stays real.
https://github.com/wolfcw/libfaketime
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

__all__ = ["Clock", "find_library"]

# Where Debian, Fedora and Arch install it: the variant for processes with threads.
_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
)


def find_library() -> str | None:
    """Return the path of libfaketime, or None."""
    found = (str(path) for pattern in _LIBRARIES for path in sorted(Path("/").glob(pattern[1:])))
    return next(found, None)


class Clock:
    """The clock of one environment. `offset`: how many seconds it is ahead. `variables`: for its process."""

    def __init__(self, library: str | None) -> None:
        self.offset = 0.0
        self.can_move = library is not None
        self.variables: dict[str, str] = {}
        if library is not None:
            self._folder = tempfile.TemporaryDirectory(prefix="bridge-clock-")
            self._file = Path(self._folder.name) / "offset"
            self.move(0.0)
            self.variables = {
                "LD_PRELOAD": library,
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_NO_CACHE": "1",
            }

    def move(self, seconds: float) -> None:
        """Put the wall clock `seconds` ahead of the machine's."""
        self.offset = seconds
        self._file.write_text(f"+{seconds:.3f}")

    async def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass for a process that is stopped. Without the library they really do."""
        if seconds and not self.can_move:
            await asyncio.sleep(seconds)  # the wall clock goes on, and so does the monotonic one
        elif seconds:
            self.move(seconds)

    def close(self) -> None:
        if self.can_move:
            self._folder.cleanup()
