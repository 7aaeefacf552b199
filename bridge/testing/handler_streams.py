"""The streamed responses of a handler, for async clients on their event loop and for sync ones on the handler's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.handler import Handler

__all__ = ["HandlerStream", "HandlerStreamAsync"]


class HandlerStreamAsync:
    """One stream on the caller's event loop. Raises what the handler raises."""

    def __init__(self, stack: AsyncExitStack, prelude: dict[str, Any], parts: AsyncIterator[bytes]) -> None:
        self.prelude: dict[str, Any] | None = prelude
        self._stack, self._parts = stack, parts

    @classmethod
    async def started(cls, handler: Handler, event: dict[str, Any], context: Any) -> HandlerStreamAsync:
        stack = AsyncExitStack()
        stream = await stack.enter_async_context(handler.stream(event, context))
        return cls(stack, stream.prelude, stream.body)

    async def next(self) -> bytes | None:
        return await anext(self._parts, None)

    async def aclose(self) -> None:
        await self._stack.aclose()


class HandlerStream:
    """One stream on the handler's own event loop, in a task. The loop runs while the client waits for a part."""

    def __init__(self, handler: Handler, event: dict[str, Any], context: Any) -> None:
        handler._environment.ready_on_own_loop()
        self._handler, self._event, self._context = handler, event, context
        self._exit: SystemExit | None = None
        self.prelude: dict[str, Any] | None = handler._run(self._start())

    async def _start(self) -> dict[str, Any]:
        # One part at a time: an application that sends faster than its client reads has to wait.
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(1)
        started: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read(started), name="bridge stream")
        waited: list[asyncio.Future[Any]] = [self._task, started]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            await self._ended()
        return await started

    async def _read(self, started: asyncio.Future[dict[str, Any]]) -> None:
        try:
            async with self._handler.stream(self._event, self._context) as stream:
                started.set_result(stream.prelude)
                async for part in stream.body:
                    await self._parts.put(part)
        except SystemExit as exc:  # out of a task it would end the run of the loop, before its waiter sees it
            self._exit = exc

    async def _ended(self) -> None:
        """Raise what the task raised."""
        await self._task
        if self._exit is not None:
            raise self._exit

    def next(self) -> bytes | None:
        return self._handler._run(self._next())

    async def _next(self) -> bytes | None:
        part = asyncio.ensure_future(self._parts.get())
        waited: list[asyncio.Future[Any]] = [self._task, part]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if part.done():
            return part.result()
        part.cancel()
        if not self._parts.empty():
            return self._parts.get_nowait()
        await self._ended()
        return None

    def close(self) -> None:
        self._handler._run(self._close())

    async def _close(self) -> None:
        if not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
