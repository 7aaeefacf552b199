"""What a Lambda function is for the transport: called for a whole result, or opened as a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["AsyncStream", "Event", "Function", "FunctionFailed", "Stream", "StreamingFunction", "error_document"]

Event = dict[str, Any]


class FunctionFailed(Exception):
    """Raised for an error document that stands for the function's own exception: `error_type` and its message."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type


class Stream(Protocol):
    """A response that is read as it comes. `prelude`: status and headers; None for a result that is not a stream."""

    @property
    def prelude(self) -> dict[str, Any] | None: ...

    def next(self) -> bytes | None:
        """Return the next part of the body, None after the last one. Raises what broke the stream."""

    def close(self) -> None:
        """Tell the function that its reader has left, unless it has ended. Raises what it raises."""


class AsyncStream(Protocol):
    """The same for async callers."""

    @property
    def prelude(self) -> dict[str, Any] | None: ...

    async def next(self) -> bytes | None:
        """Return the next part of the body, None after the last one. Raises what broke the stream."""

    async def aclose(self) -> None:
        """Tell the function that its reader has left, unless it has ended. Raises what it raises."""


class Function(Protocol):
    """A Lambda function, for sync and for async callers. A call raises what the function raises."""

    def call(self, event: Event, context: Any) -> object:
        """Return the result."""

    async def call_async(self, event: Event, context: Any) -> object:
        """Return the result."""

    def close(self) -> None:
        """Run the shutdown. The function can be called again afterwards."""

    async def close_async(self) -> None:
        """Run the shutdown, in async code."""


@runtime_checkable
class StreamingFunction(Function, Protocol):
    """A function that can stream. All others return a whole result in any case."""

    def open(self, event: Event, context: Any) -> Stream:
        """Return the response as soon as its prelude is there."""

    async def open_async(self, event: Event, context: Any) -> AsyncStream:
        """Return the response as soon as its prelude is there."""


def error_document(document: object) -> FunctionFailed | None:
    """Return the failure that `document` describes, if it has the shape of an error and nothing else."""
    known = {"errorMessage", "errorType", "requestId", "stackTrace", "cause"}
    if isinstance(document, Mapping) and "errorMessage" in document and set(document) <= known:
        return FunctionFailed(str(document.get("errorType", "Unknown")), str(document["errorMessage"]))
    return None
