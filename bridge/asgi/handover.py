"""The way of a body's parts from the application to its reader: one by one, nothing stored, nothing lost."""

from __future__ import annotations

from collections import deque

import anyio

__all__ = ["Handover", "ReaderLeft"]


class ReaderLeft(Exception):
    """Raised by `put` when the reader has left, or leaves, without the part."""


class _Offer:
    __slots__ = ("part", "settled", "taken")

    def __init__(self, part: bytes) -> None:
        self.part = part
        self.settled = anyio.Event()
        self.taken = False


class Handover:
    """Parts that any number of tasks put, and a reader takes in their order.

    A part stays here until the reader has it in its hands. A reader that is cancelled while it waits loses none, which
    an anyio memory stream does not promise. A `put` that is cancelled leaves its part, as a web server's socket does.
    """

    def __init__(self) -> None:
        self._offers: deque[_Offer] = deque()
        self._news = anyio.Event()
        self._is_closed = self._is_left = False

    async def put(self, part: bytes) -> None:
        """Offer `part`, and return when it was taken. Raises ReaderLeft."""
        if self._is_left:
            raise ReaderLeft
        offer = _Offer(part)
        self._offers.append(offer)
        self._news.set()
        await offer.settled.wait()
        if not offer.taken:
            raise ReaderLeft

    async def take(self) -> bytes:
        """Return the next part; wait for it. Raises anyio.EndOfStream when there are no more."""
        while self._is_left or not self._offers:
            if self._is_closed or self._is_left:
                raise anyio.EndOfStream
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()
        offer = self._offers.popleft()
        offer.taken = True
        offer.settled.set()
        return offer.part

    @property
    def is_empty(self) -> bool:
        """True if every part that was put was taken."""
        return not self._offers

    def close(self) -> None:
        """Say that there are no more parts."""
        self._is_closed = True
        self._news.set()

    def leave(self) -> None:
        """Say that the reader has left: what was put and not taken is refused."""
        self._is_left = True
        self._news.set()
        for offer in self._offers:
            offer.settled.set()
