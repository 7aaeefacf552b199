"""The targets of invocations: a handler of ours, or an async handler function."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from bridge.errors import ClientDisconnected, ResultTooLarge
from bridge.sources._event_fields import invocation_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from bridge import Handler
    from bridge.responses import StreamedResponse
    from bridge.runtime.api.http import Reply
    from bridge.runtime.invocations.streaming import StreamedAnswer

__all__ = ["Call", "FunctionTarget", "HandlerTarget", "Target", "import_streams"]

logger = logging.getLogger("bridge")


class Call(Protocol):
    """One invocation, as a target sees it. `result`: for the target to set; done if the invocation was given up."""

    event: Any
    context: Any
    result: asyncio.Future[Any]

    def open_stream(self) -> StreamedAnswer | None:
        """Answer with a stream, in place of `result`. None if the invocation was given up: it has its answer."""

    def end_stream(self, reply: Reply | None) -> None:
        """Say that the stream has ended: with the API's reply, or without one, because its reader has gone."""


class Target(Protocol):
    """The interface of an object that answers invocations."""

    async def work(self, call: Call) -> None:
        """Answer `call`, and finish the work after the answer. An exception fails the invocation."""

    def describe(self, event: Any) -> str:
        """Return the method and the path, or what is known of another event, for a log line."""

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        """Return the result in place of one that is late or too large; None if the caller only understands an error."""

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        """Return the same as prelude and body for an event that is answered with a stream; None for any other."""


class HandlerTarget:
    """A Bridge, a Proxy or another Handler. `streams`: whether the function's invoke mode is response_stream."""

    def __init__(self, handler: Handler, *, streams: bool) -> None:
        self._handler = handler
        self._streams = streams

    async def work(self, call: Call) -> None:
        if self._streams and self._handler._can_stream(call.event):
            await self._stream(call)
        else:
            await self._handler._answer(call.event, call.context, call.result)

    async def _stream(self, call: Call) -> None:
        async with self._handler._stream(call.event, call.context, call.result) as response:
            streamed = call.open_stream()
            if streamed is None:
                return
            with anyio.CancelScope() as reading:
                streamed.when_gone(reading.cancel)
                try:
                    await self._send(streamed, response, call.event)
                    call.end_stream(await streamed.finish())
                except ClientDisconnected:
                    if not streamed.is_over and not streamed.is_gone:
                        raise  # the application's own
            if streamed.is_gone:
                call.end_stream(None)
            # Leaving the block waits for the application, which works on or learns of the disconnect.

    async def _send(self, streamed: StreamedAnswer, response: StreamedResponse, event: Any) -> None:
        try:
            await streamed.start(response.prelude)
        except ResultTooLarge as exc:
            logger.error("%s: %s The caller gets an error instead.", self.describe(event), exc)
            response.replaced(500, str(exc), exc)
            prelude, body = self._handler._substitute_stream(500, str(exc))
            await streamed.start(prelude)
            await streamed.send(body)
        else:
            async for part in response.body:
                await streamed.send(part)

    def describe(self, event: Any) -> str:
        return self._handler._describe(event)

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        return self._handler._substitute(event, status_code, text)

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        if self._streams and self._handler._can_stream(event):
            return self._handler._substitute_stream(status_code, text)
        return None


def import_streams(handler: Handler) -> None:
    """Import the modules that only streams need: in the init phase, and before workers are forked."""
    from importlib import import_module

    import_module("bridge.runtime.invocations.streaming")
    if handler._runs_in_process:
        handler._import_streams()
        anyio.run(anyio.sleep, 0)  # imports anyio's backend, a large one


class FunctionTarget:
    """An async handler function: `async def handler(event, context)`."""

    def __init__(self, function: Callable[[Any, Any], Awaitable[object]]) -> None:
        self._function = function

    async def work(self, call: Call) -> None:
        result = await self._function(call.event, call.context)
        if not call.result.done():
            call.result.set_result(result)

    def describe(self, event: Any) -> str:
        return invocation_line(event)

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        return None

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        return None
