"""The streamed responses of a handler, for async clients on their event loop and for sync ones on the handler's own.

A stream that breaks ends early for the client, as it does on AWS; `response.extensions["bridge.reason"]` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from bridge._httpx import httpx
from bridge.testing.call import REASON, Call, to_httpx

if TYPE_CHECKING:
    from bridge.handler import Handler

__all__ = ["streamed", "streamed_async"]


async def streamed_async(handler: Handler, call: Call, context: Any, *, raises: bool) -> httpx.Response:
    """Return the response as soon as its prelude is there. Raises what the handler raises before it."""
    stack = AsyncExitStack()
    stream = await stack.enter_async_context(handler.stream(call.event, context))
    body = _AsyncBody(stack, stream.body, raises=raises)
    return _response(call, stream.prelude, body)


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stack: AsyncExitStack, parts: AsyncIterator[bytes], *, raises: bool) -> None:
        self._stack, self._parts, self._raises = stack, parts, raises
        self.extensions: dict[str, Any] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._parts:
                yield part
        except Exception as exc:
            _broke(exc, self.extensions, raises=self._raises)

    async def aclose(self) -> None:
        try:
            await self._stack.aclose()
        except Exception as exc:
            _broke(exc, self.extensions, raises=self._raises)


def streamed(handler: Handler, call: Call, context: Any, *, raises: bool) -> httpx.Response:
    """Return the response as soon as its prelude is there. Raises what the handler raises before it."""
    handler._environment.ready_on_own_loop()
    reader = _Reader(handler, call.event, context)
    return _response(call, reader.prelude, _Body(reader, raises=raises))


class _Body(httpx.SyncByteStream):
    def __init__(self, reader: _Reader, *, raises: bool) -> None:
        self._reader, self._raises = reader, raises
        self.extensions: dict[str, Any] = {}

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (part := self._reader.next()) is not None:
                yield part
        except Exception as exc:
            _broke(exc, self.extensions, raises=self._raises)

    def close(self) -> None:
        try:
            self._reader.close()
        except Exception as exc:
            _broke(exc, self.extensions, raises=self._raises)


class _Reader:
    """A task on the handler's own loop that reads one stream. The loop runs while the client waits for a part."""

    def __init__(self, handler: Handler, event: dict[str, Any], context: Any) -> None:
        self._handler, self._event, self._context = handler, event, context
        self.prelude: dict[str, Any] = handler._run(self._start())

    async def _start(self) -> dict[str, Any]:
        # One part at a time: an application that sends faster than its client reads has to wait.
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(1)
        started: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read(started), name="bridge stream")
        waited: list[asyncio.Future[Any]] = [self._task, started]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            await self._task
        return await started

    async def _read(self, started: asyncio.Future[dict[str, Any]]) -> None:
        async with self._handler.stream(self._event, self._context) as stream:
            started.set_result(stream.prelude)
            async for part in stream.body:
                await self._parts.put(part)

    def next(self) -> bytes | None:
        """Return the next part, None after the last one. Raises what broke the stream."""
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
        await self._task
        return None

    def close(self) -> None:
        """Tell the application that its reader has left, unless it has ended. Raises what it raises."""
        self._handler._run(self._close())

    async def _close(self) -> None:
        if not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task


def _response(call: Call, prelude: dict[str, Any], body: _Body | _AsyncBody) -> httpx.Response:
    head = call.head(prelude)
    if head.body or head.status in (204, 304) or call.request.method == "HEAD":
        return to_httpx(head, _closing(body, head.body))
    response = to_httpx(head, body)
    body.extensions = response.extensions
    return response


def _closing(body: _Body | _AsyncBody, content: bytes) -> _WholeBody | _AsyncWholeBody:
    return _WholeBody(body, content) if isinstance(body, _Body) else _AsyncWholeBody(body, content)


class _WholeBody(httpx.SyncByteStream):
    """A body of the service's own in place of the function's, which is read to its end."""

    def __init__(self, body: _Body, content: bytes) -> None:
        self._body, self._content = body, content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        for _ in self._body:
            pass

    def close(self) -> None:
        self._body.close()


class _AsyncWholeBody(httpx.AsyncByteStream):
    """The same for async clients."""

    def __init__(self, body: _AsyncBody, content: bytes) -> None:
        self._body, self._content = body, content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        async for _ in self._body:
            pass

    async def aclose(self) -> None:
        await self._body.aclose()


def _broke(exc: Exception, extensions: dict[str, Any], *, raises: bool) -> None:
    """Note why a stream ended early, or raise that."""
    if raises:
        raise exc
    extensions[REASON] = f"The stream broke: {type(exc).__name__}: {exc}"
