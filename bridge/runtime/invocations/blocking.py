"""Plain handler functions: a slot calls the function in its own thread, and posts the result.

One slot runs in the main thread, several run in a thread each.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge._loop import OwnLoop
from bridge.runtime.api.payload import decode_event, encode_result
from bridge.runtime.api.vocabulary import (
    MAX_RESULT,
    NEXT,
    Invocation,
    check_answer,
    result_headers,
    too_large,
)
from bridge.runtime.invocations.current import enter, leave, make_context
from bridge.runtime.invocations.deadline import time_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Block, Connection
    from bridge.runtime.api.http import Pairs
    from bridge.runtime.context import Function
    from bridge.runtime.invocations.answer import Output
    from bridge.runtime.invocations.watchdog import Watch, Watchdog

    # The path, the headers and the body of a POST.
    Post = tuple[bytes, Pairs, bytes]

__all__ = ["BlockingSlot"]

logger = logging.getLogger("bridge")


class BlockingSlot:
    """One polling slot, with a connection of its own.

    `margin`: how long before its deadline the log says where the function is, in seconds. `block`: how the slot waits
    for the next invocation. `is_alone`: there is no other slot in any process.
    """

    def __init__(
        self,
        connection: Connection,
        target: Callable[[Any, Any], object],
        *,
        margin: float,
        output: Output,
        watchdog: Watchdog | None,
        function: Function,
        block: Block | None,
        is_alone: bool,
    ) -> None:
        self._connection = connection
        self._target = target
        self._margin = margin
        self._output = output
        self._watchdog = watchdog
        self._function = function
        self._block = block
        self._is_alone = is_alone
        self._loop = OwnLoop()  # for a function that returns an awaitable; made only then
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
                self._output.flush()
                leave()
        finally:
            self._connection.close()
            self._loop.close()

    def stop(self) -> None:
        """Take no further invocation."""
        self._is_stopping = True

    @property
    def is_waiting(self) -> bool:
        """True if the slot waits for the next invocation and no byte of that has arrived."""
        return self.is_idle and not self._connection.has_data

    def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._is_alone)
        try:
            path, headers, body = self._result(invocation)
        except BaseException as exc:
            path, headers, body = self._failure(invocation, exc)
        check_answer(self._connection.request_blocking(b"POST", path, headers, body))

    def _result(self, invocation: Invocation) -> Post:
        result = self._call(invocation)
        body = encode_result(result)
        if len(body) > MAX_RESULT:
            raise too_large(body)
        return invocation.response_path, result_headers(invocation, body, is_json=not isinstance(result, bytes)), body

    def _failure(self, invocation: Invocation, exc: BaseException) -> Post:
        from bridge.runtime.api.errors import error_answer, error_document, exit_in

        ends_process = exit_in(exc)
        if ends_process is not None:
            raise ends_process from None
        document = error_document(exc, request_id=invocation.request_id)
        self._output.report(document)
        return invocation.error_path, *error_answer(invocation, exc, document)

    def _call(self, invocation: Invocation) -> object:
        event = decode_event(invocation)
        context = make_context(invocation, self._function)
        watch = self._start_watch(invocation.deadline_ms)
        try:
            result = self._target(event, context)
            return self._loop.run(_awaited(result)) if isinstance(result, Awaitable) else result
        finally:
            if watch is not None and self._watchdog is not None:
                self._watchdog.leave(watch)

    def _start_watch(self, deadline_ms: int) -> Watch | None:
        if not deadline_ms or self._watchdog is None:
            return None
        left, _ = time_left(deadline_ms, self._margin)
        return self._watchdog.watch(time.time() + left, partial(_log_late, threading.get_ident()))


def _log_late(ident: int) -> None:
    from bridge.runtime.log.stacks import describe_thread

    logger.error(
        "The function has no result, and the deadline of the invocation is near. The stack of its thread:\n%s",
        describe_thread(ident),
    )


async def _awaited(result: Awaitable[object]) -> object:
    return await result
