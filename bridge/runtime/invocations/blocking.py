"""Plain handler functions: a slot calls, and posts what comes back. One slot is the main thread, more are threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from bridge._loop import OwnLoop
from bridge.errors import ResultTooLarge
from bridge.runtime.api.payload import decode_event, encode_result
from bridge.runtime.api.vocabulary import MAX_RESULT, NEXT, Invocation, result_headers
from bridge.runtime.invocations.posting import check_answer, document_of, error_answer, exit_in
from bridge.runtime.invocations.slots import enter, leave, make_context
from bridge.runtime.invocations.watchdog import time_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Block, Connection
    from bridge.runtime.context import Function
    from bridge.runtime.invocations.answer import Limits
    from bridge.runtime.invocations.watchdog import Watch

__all__ = ["BlockingSlot"]

logger = logging.getLogger("bridge")


class BlockingSlot:
    """One polling slot, with a connection of its own. `block`: how it waits for the next invocation."""

    def __init__(
        self,
        connection: Connection,
        target: Callable[[Any, Any], object],
        *,
        limits: Limits,
        function: Function,
        block: Block | None,
        is_alone: bool,
    ) -> None:
        self._connection = connection
        self._target = target
        self._limits = limits
        self._function = function
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
                leave()
        finally:
            self._connection.close()
            self._loop.close()

    def stop(self) -> None:
        """Take no further invocation."""
        self._is_stopping = True

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for the next invocation, and nothing of that has arrived, be it unread."""
        return self.is_idle and not self._connection.has_data

    def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._is_alone)
        try:
            result = self._call(invocation)
            body = encode_result(result)
            if len(body) > MAX_RESULT:
                raise ResultTooLarge(
                    f"The result has {len(body)} bytes as JSON, and Lambda takes {MAX_RESULT} at most."
                )
        except BaseException as exc:
            ends_process = exit_in(exc)
            if ends_process is not None:
                raise ends_process from None
            document = document_of(exc, invocation.request_id)
            self._limits.report(document)
            headers, body = error_answer(invocation, exc, document)
            path = invocation.error_path
        else:
            headers = result_headers(invocation, body, is_json=not isinstance(result, bytes))
            path = invocation.response_path
        check_answer(self._connection.request_blocking(b"POST", path, headers, body))

    def _call(self, invocation: Invocation) -> object:
        event = decode_event(invocation)
        context = make_context(invocation, self._function)
        watch = self._start_watch(invocation.deadline_ms)
        try:
            result = self._target(event, context)
            return self._loop.run(_awaited(result)) if isinstance(result, Awaitable) else result
        finally:
            if watch is not None and self._limits.watchdog is not None:
                self._limits.watchdog.leave(watch)

    def _start_watch(self, deadline_ms: int) -> Watch | None:
        if not deadline_ms or self._limits.watchdog is None:
            return None
        left, _ = time_left(deadline_ms, self._limits.margin)
        ident = threading.get_ident()
        return self._limits.watchdog.watch(time.time() + left, lambda: _tell(ident))


def _tell(ident: int) -> None:
    from bridge.runtime.log.stacks import describe_thread

    stack = describe_thread(ident)
    logger.error("The function has no result, and the deadline of the invocation is near. Where it stands:\n%s", stack)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
