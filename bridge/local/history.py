"""The invocations of a gateway, the newest of them, and who wants to know when one changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from bridge.local.invocation import Invocation

__all__ = ["History", "Subscription"]

# The oldest invocations are dropped past either limit. The second one, in bytes, is for large events and results.
MAX_INVOCATIONS = 10_000
MAX_SIZE = 256 << 20


class Subscription:
    """The changes for one reader: `async for batch in subscription`, each a list of invocations that changed.

    An invocation that changes several times before the reader comes back is in its batch once, so a slow reader needs
    no more memory than the history itself.
    """

    def __init__(self) -> None:
        self._changed: dict[str, Invocation] = {}
        self._some = asyncio.Event()

    def put(self, invocation: Invocation) -> None:
        self._changed[invocation.id] = invocation
        self._some.set()

    def wake(self) -> None:
        self._some.set()

    async def __aiter__(self) -> AsyncIterator[list[Invocation]]:
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._changed = list(self._changed.values()), {}
            yield batch


class History:
    """Invocations by id, the newest first."""

    def __init__(self, *, max_invocations: int = MAX_INVOCATIONS, max_size: int = MAX_SIZE) -> None:
        self._max_invocations, self._max_size = max_invocations, max_size
        self._invocations: dict[str, Invocation] = {}
        self._sizes: dict[str, int] = {}
        self._size = 0
        self._subscriptions: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._invocations)

    def __iter__(self) -> Iterator[Invocation]:
        return reversed(list(self._invocations.values()))

    def get(self, id: str) -> Invocation | None:
        return self._invocations.get(id)

    def changed(self, invocation: Invocation) -> None:
        """Add an invocation, or say that it has changed."""
        self._invocations[invocation.id] = invocation
        self._size += invocation.size - self._sizes.get(invocation.id, 0)
        self._sizes[invocation.id] = invocation.size
        for subscription in self._subscriptions:
            subscription.put(invocation)
        while len(self._invocations) > 1 and self._is_full:
            self._drop(next(iter(self._invocations)))

    @property
    def _is_full(self) -> bool:
        return len(self._invocations) > self._max_invocations or self._size > self._max_size

    def _drop(self, id: str) -> None:
        del self._invocations[id]
        self._size -= self._sizes.pop(id)

    def wake(self) -> None:
        """Give all subscribers what has changed, or an empty batch: something else has happened."""
        for subscription in self._subscriptions:
            subscription.wake()

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Yield the changes from now on."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
