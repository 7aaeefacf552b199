"""The client's side of a streamed response.

A stream that breaks ends early for the client, as it does on AWS; `response.extensions["bridge.reason"]` says why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from bridge._httpx import httpx
from bridge.testing.call import Call, add_reason, parsed, to_httpx
from bridge.testing.failures import Failures
from bridge.testing.interface import AsyncStream, Stream

__all__ = ["streamed", "streamed_async"]


def streamed(stream: Stream, call: Call, failures: Failures) -> httpx.Response:
    """Return the response to a stream that has started, or to a result that is not one."""
    if stream.prelude is not None:
        return _response(call, stream.prelude, _Body(stream, failures))
    try:
        return call.finished(parsed(b"".join(iter(stream.next, None))))
    finally:
        stream.close()


async def streamed_async(stream: AsyncStream, call: Call, failures: Failures) -> httpx.Response:
    """Return the same for async callers."""
    if stream.prelude is not None:
        return _response(call, stream.prelude, _AsyncBody(stream, failures))
    parts = []
    try:
        while (part := await stream.next()) is not None:
            parts.append(part)
        return call.finished(parsed(b"".join(parts)))
    finally:
        await stream.aclose()


class _Body(httpx.SyncByteStream):
    """`content`: sent in place of the function's own parts, which are read to their end."""

    def __init__(self, stream: Stream, failures: Failures) -> None:
        self._stream, self._failures = stream, failures
        self.content: bytes | None = None
        self.extensions: dict[str, Any] = {}

    def __iter__(self) -> Iterator[bytes]:
        if self.content:
            yield self.content
        try:
            while (part := self._stream.next()) is not None:
                if self.content is None:
                    yield part
        except (Exception, SystemExit) as exc:
            _broke(exc, self.extensions, self._failures)

    def close(self) -> None:
        try:
            with self._failures.noting():
                self._stream.close()
        except (Exception, SystemExit) as exc:
            _broke(exc, self.extensions, self._failures)
        self._failures.check()


class _AsyncBody(httpx.AsyncByteStream):
    """The same for async callers."""

    def __init__(self, stream: AsyncStream, failures: Failures) -> None:
        self._stream, self._failures = stream, failures
        self.content: bytes | None = None
        self.extensions: dict[str, Any] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.content:
            yield self.content
        try:
            while (part := await self._stream.next()) is not None:
                if self.content is None:
                    yield part
        except (Exception, SystemExit) as exc:
            _broke(exc, self.extensions, self._failures)

    async def aclose(self) -> None:
        try:
            with self._failures.noting():
                await self._stream.aclose()
        except (Exception, SystemExit) as exc:
            _broke(exc, self.extensions, self._failures)
        self._failures.check()


def _response(call: Call, prelude: dict[str, Any], body: _Body | _AsyncBody) -> httpx.Response:
    head = call.head(prelude)
    if head.body or head.status in (204, 304) or call.request.method == "HEAD":
        body.content = head.body
    response = to_httpx(head, body)
    body.extensions = response.extensions
    return response


def _broke(exc: Exception | SystemExit, extensions: dict[str, Any], failures: Failures) -> None:
    """Note why a stream ended early, or raise that."""
    if failures.is_raised:
        raise exc
    add_reason(extensions, f"The stream broke: {type(exc).__name__}: {exc}")
