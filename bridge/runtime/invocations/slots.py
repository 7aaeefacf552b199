"""A polling slot on an event loop: it asks for an invocation, answers it, and asks again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import InvocationFailed
from bridge.runtime.api.payload import decode_event
from bridge.runtime.api.vocabulary import NEXT, Invocation
from bridge.runtime.invocations.answer import Answer, Means
from bridge.runtime.invocations.current import enter, make_context

if TYPE_CHECKING:
    from bridge.runtime.api.connection import Rest
    from bridge.runtime.context import Function

__all__ = ["Slot"]

# Turns of the event loop after it was blocked, before the application runs: in the first one it reads that a server
# has closed a connection meanwhile, in the second one the connection's owner hears of it.
TURNS_TO_CATCH_UP = 2


class Slot:
    """One of the slots of a process, each of which answers one invocation at a time. `is_alone`: it is the only slot.

    A slot runs in a task of its own, with a connection of its own.
    """

    def __init__(self, means: Means, *, function: Function, is_alone: bool) -> None:
        self._means = means
        self._function = function
        self._is_alone = is_alone
        self._is_stopping = False
        self.is_idle = True

    async def run(self, rest: Rest | None = None) -> None:
        """Answer until `stop`. Raises RuntimeApiGone, and RuntimeApiRefused if there is no next invocation.

        `rest`: see `Connection.request`.
        """
        self._means = self._means._replace(rest=rest)
        try:
            while not self._is_stopping:
                invocation = await self._next()
                await self._serve(invocation)
                self._means.output.flush()
        finally:
            self._means.connection.close()

    async def _next(self) -> Invocation:
        self.is_idle = True
        reply = await self._means.connection.request(b"GET", NEXT, [], rest=self._means.rest)
        self.is_idle = False
        if self._means.rest is not None:
            for _ in range(TURNS_TO_CATCH_UP):
                await asyncio.sleep(0)
        return Invocation(reply)

    def stop(self) -> None:
        """Take no further invocation. A slot that waits for the next must be cancelled."""
        self._is_stopping = True

    @property
    def is_waiting(self) -> bool:
        """True if the slot waits for the next invocation and no byte of that has arrived."""
        return self.is_idle and not self._means.connection.has_data

    async def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._is_alone)
        try:
            event = decode_event(invocation)
            context = make_context(invocation, self._function)
        except InvocationFailed as exc:
            await Answer(invocation, None, None, means=self._means).fail(exc)
        else:
            await Answer(invocation, event, context, means=self._means).serve()
