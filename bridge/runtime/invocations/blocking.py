"""Plain handler functions: a slot calls the function in its own thread, and posts the result.

One slot runs in the main thread, several run in a thread each.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from bridge._loop import OwnLoop
from bridge.runtime.api.payload import encode_result
from bridge.runtime.api.vocabulary import MAX_RESULT, NEXT, Invocation, check_answer, result_headers, too_large
from bridge.runtime.invocations.deadline import time_left
from bridge.runtime.invocations.polling import PollingSlot, decode, enter, leave
from bridge.sources._event_fields import invocation_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Block
    from bridge.runtime.api.http import Pairs
    from bridge.runtime.context import LambdaContext
    from bridge.runtime.invocations.polling import Means

    # The path, the headers and the body of a POST.
    Post = tuple[bytes, Pairs, bytes]

__all__ = ["BlockingSlot"]

LATE = "The function has no result, and the deadline of the invocation is near."


class BlockingSlot(PollingSlot):
    """A slot that has a thread of its own."""

    def __init__(self, target: Callable[[Any, Any], object], means: Means) -> None:
        super().__init__(means)
        self._target = target
        # A handler of ours knows more.
        self._describe: Callable[[Any], str] = getattr(target, "_describe", invocation_line)
        self._loop = OwnLoop()  # for a function that returns an awaitable; made only then

    def run(self, block: Block | None = None) -> None:
        """Answer until `stop`. Raises RuntimeApiGone, RuntimeApiRefused, and what `block` raises.

        `block`: how the slot waits for the next invocation; see `Connection.request_blocking`.
        """
        try:
            while not self._is_stopping:
                self._is_idle = True
                reply = self._means.connection.request_blocking(b"GET", NEXT, [], block=block)
                self._is_idle = False
                self._serve(Invocation(reply))
                self._means.output.flush()
                leave()
        finally:
            self._means.connection.close()
            self._loop.close()

    def _serve(self, invocation: Invocation) -> None:
        enter(invocation, is_alone=self._means.is_alone)
        event: Any = None
        try:
            event, context = decode(invocation, self._means.function)
            path, headers, body = self._result(invocation, event, context)
        except BaseException as exc:
            path, headers, body = self._failure(invocation, exc)
        reply = self._means.connection.request_blocking(b"POST", path, headers, body)
        check_answer(reply, lambda: self._describe(event))

    def _result(self, invocation: Invocation, event: Any, context: LambdaContext) -> Post:
        result = self._call(invocation, event, context)
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
        self._means.output.report(document)
        return invocation.error_path, *error_answer(invocation, exc, document)

    def _call(self, invocation: Invocation, event: Any, context: LambdaContext) -> object:
        if not invocation.deadline_ms:
            return self._run(event, context)
        left, _ = time_left(invocation.deadline_ms, self._means.limits.margin)
        watch = self._means.watchdog.watch(time.time() + left, lambda: f"{self._describe(event)}: {LATE}")
        try:
            return self._run(event, context)
        finally:
            self._means.watchdog.leave(watch)

    def _run(self, event: Any, context: LambdaContext) -> object:
        result = self._target(event, context)
        return self._loop.run(_awaited(result)) if isinstance(result, Awaitable) else result


async def _awaited(result: Awaitable[object]) -> object:
    return await result
