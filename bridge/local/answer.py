"""The answer to one invocation, on its way from the runtime to the client.

The runtime's side calls `start`, `put` and `finish`; the client's side reads. A client that reads slowly makes the
runtime wait. One that has left does not: as on Lambda, the function runs on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from bridge.local.invocation import Failure, Invocation

__all__ = ["Answer"]

# How much of a stream waits for its client, in bytes, before the runtime has to wait.
_MAX_WAITING = 256 << 10


class Answer:
    """`changed`: called with the invocation whenever its record changes."""

    def __init__(self, invocation: Invocation, changed: Callable[[Invocation], None]) -> None:
        self.invocation = invocation
        self.failure: Failure | None = None
        self.is_finished = False
        self._changed = changed
        self._parts: deque[bytes] = deque()
        self._waiting = 0
        self._is_read = True
        self._started = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    def changed(self) -> None:
        self._changed(self.invocation)

    # The runtime's side.

    def start(self, *, content_type: str, is_streamed: bool) -> None:
        """Begin the response."""
        invocation = self.invocation
        invocation.content_type, invocation.is_streamed = content_type, is_streamed
        invocation.timeline.first_byte = invocation.since()
        invocation.status = "responding"
        self._started.set()
        self.changed()

    async def put(self, data: bytes) -> None:
        """Add a part. Return when there is room for another one, or its reader has left."""
        if self.is_finished:
            return
        self.invocation.part(data)
        self.changed()
        if self._is_read:
            self._parts.append(data)
            self._waiting += len(data)
            self._news.set()
        while self._is_read and self._waiting > _MAX_WAITING and not self.is_finished:
            self._room.clear()
            await self._room.wait()

    def finish(self, failure: Failure | None = None) -> None:
        """End the response. Only the first call counts."""
        if self.is_finished:
            return
        self.is_finished, self.failure = True, failure
        invocation = self.invocation
        invocation.failure = failure
        invocation.timeline.end = invocation.since()
        invocation.status = "responded"
        self._started.set()
        self._news.set()
        self._room.set()
        self.changed()

    def rest(self) -> None:
        """Note that the work after the response is over, too."""
        invocation = self.invocation
        invocation.timeline.idle = invocation.since()
        invocation.status = "done"
        self.changed()

    # The client's side.

    async def started(self) -> None:
        """Wait until the response begins, or the invocation fails."""
        await self._started.wait()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the parts as they come. Look at `failure` after the last one."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._waiting -= len(part)
                self._room.set()
                yield part
            if self.is_finished:
                return
            self._news.clear()
            await self._news.wait()

    async def whole(self) -> bytes:
        """Return the whole result. Look at `failure` afterwards."""
        return b"".join([part async for part in self.parts()])

    async def whole_within(self, seconds: float | None) -> bytes:
        """Do as `whole`, and leave after so many seconds: then raise TimeoutError. None is no limit."""
        try:
            async with asyncio.timeout(seconds):
                return await self.whole()
        except TimeoutError:
            self.leave()
            raise

    def leave(self) -> None:
        """Read no more."""
        self._is_read = False
        self._parts.clear()
        self._room.set()
