"""Plain handler functions: a slot calls, and posts what comes back. One slot is the main thread, more are threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from bridge._loop import OwnLoop
from bridge.errors import ResultTooLarge
from bridge.runtime.answers import check_answer, document_of, error_answer
from bridge.runtime.api import MAX_RESULT, NEXT, Invocation, result_headers
from bridge.runtime.payload import decode_event, encode_result
from bridge.runtime.slot import enter, make_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.answering import Limits
    from bridge.runtime.connection import Block, Connection
    from bridge.runtime.context import Function
    from bridge.runtime.watchdog import Watchdog

__all__ = ["BlockingSlot"]


class BlockingSlot:
    """One polling slot, with a connection of its own. `block`: how it waits for the next invocation."""

    def __init__(
        self,
        connection: Connection,
        target: Callable[[Any, Any], object],
        *,
        limits: Limits,
        function: Function,
        watchdog: Watchdog,
        block: Block | None,
        is_alone: bool,
    ) -> None:
        self._connection = connection
        self._target = target
        self._limits = limits
        self._function = function
        self._watchdog = watchdog
        self._block = block
        self._is_alone = is_alone
        self._loop = OwnLoop()  # for a function that gives something to await; made only then
        self._is_stopping = False
        self.is_idle = True

    def run(self) -> None:
        """Answer until `stop`. Raises RuntimeApiGone, RuntimeApiRefused, and what `block` raises."""
        try:
            while not self._is_stopping:
                self.is_idle = True
                reply = self._connection.request_blocking(b"GET", NEXT, [], block=self._block)
                self.is_idle = False
                self._serve(Invocation(reply))
                self._limits.flush()
        finally:
            self._connection.close()
            self._loop.close()

    def stop(self) -> None:
        """Take no further invocation."""
        self._is_stopping = True

    def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._is_alone)
        try:
            body = self._answer(invocation)
        except (Exception, asyncio.CancelledError) as exc:
            document = document_of(exc, invocation.request_id)
            self._limits.report(document)
            headers, body = error_answer(invocation, exc, document)
            path = invocation.error_path
        else:
            headers, path = result_headers(invocation, body), invocation.response_path
        check_answer(self._connection.request_blocking(b"POST", path, headers, body))

    def _answer(self, invocation: Invocation) -> bytes:
        event = decode_event(invocation)
        context = make_context(invocation, self._function)
        self._watchdog.watch(invocation.deadline_ms)
        try:
            result = self._target(event, context)
            if isinstance(result, Awaitable):
                result = self._loop.run(_awaited(result))
        finally:
            self._watchdog.leave()
        body = encode_result(result)
        if len(body) > MAX_RESULT:
            raise ResultTooLarge(f"The result has {len(body)} bytes as JSON, and Lambda takes {MAX_RESULT} at most.")
        return body


async def _awaited(result: Awaitable[object]) -> object:
    return await result
