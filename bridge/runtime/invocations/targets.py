"""What an invocation is handed to: a handler of ours, or an async handler function. Each in the same two steps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from bridge.errors import ClientDisconnected, ResultTooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge import Handler
    from bridge.responses import StreamedResponse
    from bridge.runtime.invocations.answer import Answering
    from bridge.runtime.invocations.streaming import StreamedAnswer

__all__ = ["FunctionTarget", "HandlerTarget", "Target", "import_streams"]

logger = logging.getLogger("bridge")


class Target(Protocol):
    """Who answers."""

    async def work(self, answering: Answering) -> None:
        """Answer: set `answering.result`, and go on with whatever is left to do. Raises what fails the invocation."""

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        """The result in place of one that is late or too large; None if the caller only understands an error."""

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        """The same for an event that is answered with a stream; None if it is not."""


class HandlerTarget:
    """A Bridge or a Proxy. `streams`: whether the function's invoke mode is response_stream."""

    def __init__(self, handler: Handler, *, streams: bool) -> None:
        self._handler = handler
        self._streams = streams

    async def work(self, answering: Answering) -> None:
        if self._streams and self._handler._can_stream(answering.event):
            await self._stream(answering)
        else:
            await self._handler._answer(answering.event, answering.context, answering.result)

    async def _stream(self, answering: Answering) -> None:
        from bridge.runtime.invocations.streaming import StreamedAnswer

        async with self._handler.stream(answering.event, answering.context) as response:
            if answering.result.done():  # given up meanwhile: the connection is the next invocation's
                return
            streamed = answering.streamed = StreamedAnswer(answering.connection, answering.invocation)
            with anyio.CancelScope() as reading:
                streamed.when_gone(reading.cancel)
                try:
                    await self._send(streamed, response)
                    answering.streamed_whole(await streamed.finish())
                except ClientDisconnected:
                    if not streamed.is_over and not streamed.is_gone:
                        raise  # the application's own
            if streamed.is_gone:
                answering.stream_lost()
            # Leaving the block waits for the application: it works on after its response, or hears that nobody reads.

    async def _send(self, streamed: StreamedAnswer, response: StreamedResponse) -> None:
        try:
            await streamed.start(response.prelude)
        except ResultTooLarge as exc:
            logger.error("%s The caller gets an error instead.", exc)
            prelude, body = self._handler._substitute_stream(500, str(exc))
            await streamed.start(prelude)
            await streamed.send(body)
        else:
            async for part in response.body:
                await streamed.send(part)

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        return self._handler._substitute(event, status_code, text)

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        if self._streams and self._handler._can_stream(event):
            return self._handler._substitute_stream(status_code, text)
        return None


def import_streams(handler: Handler) -> None:
    """Import what only streams need: in the init phase, where it costs the least, and before workers are forked."""
    from importlib import import_module

    names = ["bridge.runtime.invocations.streaming"]
    if handler._runs_in_process:
        names += ["anyio._backends._asyncio", "bridge.asgi.streaming", "bridge.asgi.transport"]
    for name in names:
        import_module(name)


class FunctionTarget:
    """An async handler function: `async def handler(event, context)`."""

    def __init__(self, function: Callable[[Any, Any], Awaitable[object]]) -> None:
        self._function = function

    async def work(self, answering: Answering) -> None:
        result = await self._function(answering.event, answering.context)
        if not answering.result.done():
            answering.result.set_result(result)

    def substitute(self, event: Any, status_code: int, text: str) -> Any:
        return None

    def substitute_stream(self, event: Any, status_code: int, text: str) -> tuple[dict[str, Any], bytes] | None:
        return None
