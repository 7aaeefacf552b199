"""Gates: named pipes in the place of files. A program that writes one waits until its test reads it."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

__all__ = ["Gates"]


class Gates:
    """Pipes at these paths, from entering the `with` block to leaving it."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._unread: set[Path] = set()

    def __enter__(self) -> Self:
        for path in self._paths:
            os.mkfifo(path)
            self._unread.add(path)
        return self

    async def read(self, number: int) -> bytes:
        """Wait until the `number`th pipe is written, return the data and so release its writer."""
        return await anyio.to_thread.run_sync(self.read_now, number)

    def read_now(self, number: int) -> bytes:
        """Do the same, blocking."""
        path = self._paths[number - 1]
        data = path.read_bytes()
        self._unread.discard(path)
        return data

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the writers of pipes that a failed test did not read, so that their threads end."""
        for path in self._unread:
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            path.unlink()
            os.close(reader)
