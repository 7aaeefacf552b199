"""What `handler.stream` gives: a response that is read while the application still sends it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from bridge._messages import CompleteResponse
from bridge.errors import ProtocolError
from bridge.sources._response import has_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge._httpx import httpx

__all__ = ["BodyParts", "StreamedResponse", "cancel_response", "close_response"]

logger = logging.getLogger("bridge")


class StreamedResponse:
    """A response under way. `prelude`: statusCode, headers and cookies, for JSON. `body`: its parts, as they come.

    Iterating `body` raises what the application raised in the middle of it: then the stream is broken, not complete.
    """

    __slots__ = ("body", "prelude")

    def __init__(self, prelude: dict[str, Any], body: AsyncIterator[bytes]) -> None:
        self.prelude = prelude
        self.body = body


class BodyParts:
    """The body as it comes, but for a response that has none whatever the application sends.

    Not a generator: nobody closes one that its reader left early.
    """

    __slots__ = ("_has_body", "_parts", "_whole")

    def __init__(self, response: httpx.Response, method: str) -> None:
        self._has_body = method.upper() != "HEAD" and has_body(response.status_code)
        self._whole = response.body if isinstance(response, CompleteResponse) else None
        self._parts = None if self._whole is not None else aiter(cast("httpx.AsyncByteStream", response.stream))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            whole, self._whole = self._whole, None
            if not whole or not self._has_body:
                raise StopAsyncIteration
            return whole
        part = await anext(self._parts)
        while not self._has_body:
            part = await anext(self._parts)
        return part


def cancel_response(response: httpx.Response) -> None:
    """Whoever cancels the reader waits for no application: it gets no time to notice, as `close_response` gives it."""
    cancel = getattr(response.stream, "cancel", None)
    if cancel is not None:
        cancel()


async def close_response(response: httpx.Response) -> None:
    """Wait for the application; the response stands whatever it still raises."""
    try:
        await response.aclose()
    except Exception as exc:
        if isinstance(exc, ProtocolError):
            logger.error("%s", exc)
        else:
            logger.error("The application failed after its response was complete.", exc_info=exc)
