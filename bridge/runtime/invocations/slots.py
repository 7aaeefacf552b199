"""A polling slot on an event loop: it asks for an invocation, answers it, and asks again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import InvocationFailed
from bridge.runtime.api.vocabulary import NEXT, Invocation
from bridge.runtime.invocations.answer import Answer
from bridge.runtime.invocations.polling import PollingSlot, decode, enter

if TYPE_CHECKING:
    from bridge.runtime.api.connection import Rest
    from bridge.runtime.invocations.polling import Means
    from bridge.runtime.invocations.targets import Target

__all__ = ["Slot"]

# Turns of the event loop after it was blocked, before the application runs: in the first one it reads that a server
# has closed a connection meanwhile, in the second one the connection's owner hears of it.
TURNS_TO_CATCH_UP = 2


class Slot(PollingSlot):
    """A slot that runs in a task of its own. Once stopped, it must be cancelled if it waits for the next invocation."""

    def __init__(self, target: Target, means: Means) -> None:
        super().__init__(means)
        self._target = target

    async def run(self, rest: Rest | None = None) -> None:
        """Answer until `stop`. Raises RuntimeApiGone, and RuntimeApiRefused if there is no next invocation.

        `rest`: see `Connection`.
        """
        self._means.connection.rest = rest
        try:
            while not self._is_stopping:
                invocation = await self._next()
                await self._serve(invocation)
                self._means.output.flush()
        finally:
            self._means.connection.close()

    async def _next(self) -> Invocation:
        self._is_idle = True
        reply = await self._means.connection.request(b"GET", NEXT, [])
        self._is_idle = False
        if self._means.connection.rest is not None:
            for _ in range(TURNS_TO_CATCH_UP):
                await asyncio.sleep(0)
        return Invocation(reply)

    async def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._means.is_alone)
        answer = Answer(invocation, self._target, self._means)
        try:
            event, context = decode(invocation, self._means.function)
        except InvocationFailed as exc:
            await answer.fail(exc)
        else:
            await answer.serve(event, context)
