"""The streamed answer of an endpoint, for sync and for async callers: InvokeWithResponseStream.

https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from bridge._httpx import httpx
from bridge.testing.event_stream import EventStreamDecoder
from bridge.testing.interface import FunctionFailed, error_document
from bridge.testing.strict_json import strict_json

__all__ = ["EndpointStream", "EndpointStreamAsync"]

# https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html: the content type of a stream with a
# prelude, and what ends that.
_WITH_PRELUDE = "application/vnd.awslambda.http-integration-response"
_DELIMITER = bytes(8)

# In bytes: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
_MAX_PRELUDE = 16 << 10


class _Parts:
    """From the bytes of an answer to a prelude and parts, without any I/O."""

    def __init__(self, response: httpx.Response) -> None:
        self.prelude: dict[str, Any] | None = None
        self.has_started = not response.headers.get("content-type", "").startswith(_WITH_PRELUDE)
        self._decoder = EventStreamDecoder()
        self._waiting: deque[bytes] = deque()
        self._head = b""
        self._is_complete = False
        self._failure: Exception | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes of the answer. What came before a failure is read before `check` raises that."""
        try:
            self._feed(data)
        except (FunctionFailed, ValueError) as exc:
            self._failure = exc

    def check(self) -> None:
        """Raise FunctionFailed or InvalidEventStream, if that has come."""
        if self._failure is not None:
            raise self._failure

    def _feed(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            kind = message.headers.get(":event-type")
            if message.headers.get(":message-type") in ("exception", "error"):
                name = message.headers.get(":exception-type") or message.headers.get(":error-code", "Unknown")
                raise FunctionFailed(name, message.payload.decode("utf-8", "replace"))
            if kind == "InvokeComplete":
                self._complete(_document(message.payload or b"{}") or {})
            elif kind == "PayloadChunk" and message.payload:
                self._take(message.payload)

    def _complete(self, report: Mapping[str, Any]) -> None:
        self._is_complete = True
        if report.get("ErrorCode"):
            raise FunctionFailed(str(report["ErrorCode"]), str(report.get("ErrorDetails", "")))

    def _take(self, payload: bytes) -> None:
        if self.has_started:
            self._waiting.append(payload)
            return
        self._head += payload
        text, delimiter, rest = self._head.partition(_DELIMITER)
        if len(text) > _MAX_PRELUDE:
            raise FunctionFailed("Runtime.Unknown", f"The prelude has more than {_MAX_PRELUDE} bytes.")
        if delimiter:
            self.prelude, self.has_started = _prelude(text), True
            self._waiting.extend([rest] if rest else [])

    def next(self) -> bytes | None:
        """Return a part that has come, or None."""
        return self._waiting.popleft() if self._waiting else None

    def end(self) -> None:
        """Raise FunctionFailed if the answer ended too early."""
        self._decoder.finish()
        if not self._is_complete or not self.has_started:
            raise FunctionFailed("Runtime.Unknown", "The answer ended before the stream was complete.")


def _document(content: bytes) -> dict[str, Any] | None:
    """Return the object in `content`; None for everything else."""
    try:
        document = strict_json(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _prelude(text: bytes) -> dict[str, Any]:
    prelude = _document(text)
    if prelude is None:
        raise FunctionFailed("Runtime.Unknown", f"Expected an object as prelude, but got {text!r:.500}.")
    return prelude


def _refusal(content: bytes, status: int) -> FunctionFailed:
    """Return the failure for an answer that is not a stream: an error of the API, such as an unknown function."""
    text = content.decode("utf-8", "replace")
    return error_document(_document(content)) or FunctionFailed(
        "Runtime.Unknown", f"The endpoint answered {status}: {text:.500}"
    )


class EndpointStream:
    """One stream. Raises FunctionFailed, and InvalidEventStream."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        try:
            if response.status_code != 200:
                raise _refusal(response.read(), response.status_code)
            self._parts = _Parts(response)
            self._received = response.iter_raw()
            while not self._parts.has_started and self._more():
                pass
        except BaseException:
            response.close()
            raise

    @property
    def prelude(self) -> dict[str, Any] | None:
        return self._parts.prelude

    def next(self) -> bytes | None:
        while (part := self._parts.next()) is None and self._more():
            pass
        return part

    def _more(self) -> bool:
        self._parts.check()
        data = next(self._received, None)
        if data is None:
            self._parts.end()
            return False
        self._parts.feed(data)
        return True

    def close(self) -> None:
        self._response.close()


class EndpointStreamAsync:
    """The same for async callers."""

    def __init__(self, client: httpx.AsyncClient, response: httpx.Response) -> None:
        self._client, self._response = client, response
        self._parts = _Parts(response)
        self._received = response.aiter_raw()

    @classmethod
    async def started(cls, client: httpx.AsyncClient, response: httpx.Response) -> EndpointStreamAsync:
        if response.status_code != 200:
            raise _refusal(await response.aread(), response.status_code)
        stream = cls(client, response)
        while not stream._parts.has_started and await stream._more():
            pass
        return stream

    @property
    def prelude(self) -> dict[str, Any] | None:
        return self._parts.prelude

    async def next(self) -> bytes | None:
        while (part := self._parts.next()) is None and await self._more():
            pass
        return part

    async def _more(self) -> bool:
        self._parts.check()
        data = await anext(self._received, None)
        if data is None:
            self._parts.end()
            return False
        self._parts.feed(data)
        return True

    async def aclose(self) -> None:
        await self._response.aclose()
        await self._client.aclose()
