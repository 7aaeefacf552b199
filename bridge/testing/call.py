"""One request on its way through a service: its event, and the response for whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bridge._httpx import httpx
from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from bridge.testing.strict_json import strict_json

if TYPE_CHECKING:
    from bridge.testing.services import Service
    from bridge.testing.setup import Setup

__all__ = ["Call", "add_reason", "as_json", "parsed", "to_httpx"]

# The key of `response.extensions` with what the service refused or changed, and why.
_REASON = "bridge.reason"


class Call:
    """One request at a service. `event`: what the function gets. `refused`: the response, if it gets nothing."""

    def __init__(self, service: Service, request: ClientRequest, setup: Setup) -> None:
        self.request, self.setup = request, setup
        self._service = service
        self.event: dict[str, Any] = {}
        self.refused: httpx.Response | None = None
        try:
            self.event = service.event_for(request, setup)
        except Refused as exc:
            self.refused = to_httpx(exc.response)

    def finished(self, result: object) -> httpx.Response:
        """Return the response for the function's result. Lambda passes it on as JSON."""
        try:
            plain = as_json(result)
        except (TypeError, ValueError, RecursionError) as exc:
            return self.failed(exc, what="The result is not JSON")
        return to_httpx(self._service.response(plain, self.request, self.setup))

    def failed(self, exc: BaseException, *, what: str = "The function raised") -> httpx.Response:
        """Return the service's own error for a function that raised `exc`."""
        return to_httpx(self._service.failure(f"{what}: {type(exc).__name__}: {exc}", self.setup))

    def head(self, prelude: dict[str, Any]) -> ClientResponse:
        """Return status and headers of a streamed response; the service's own error has a body, too."""
        assert self._service.head is not None  # checked with the options
        return self._service.head(prelude, self.request, self.setup)


def as_json(result: object) -> object:
    """Return a result as its service reads it. `bytes` are sent as they are, and so is NaN, which JSON does not have.

    Raises TypeError, ValueError and RecursionError for what awslambdaric cannot encode.
    """
    return result if isinstance(result, bytes) else parsed(json.dumps(result, default=_plain).encode())


def _plain(value: object) -> float | str:
    """Return a Decimal as a number, and bytes as text, which awslambdaric does. Raises TypeError and ValueError."""
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def parsed(content: bytes) -> object:
    """Return the result that a function returned as JSON, or `content` itself, which only custom runtimes return."""
    try:
        document: object = strict_json(content)
    except ValueError:
        return content
    return document


def to_httpx(
    response: ClientResponse, stream: httpx.SyncByteStream | httpx.AsyncByteStream | None = None
) -> httpx.Response:
    """Return the response for an httpx client. `stream`: its body, in place of that of `response`."""
    return httpx.Response(
        response.status,
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers],
        stream=httpx.ByteStream(response.body) if stream is None else stream,
        extensions={"http_version": b"HTTP/1.1"} | ({_REASON: " ".join(response.reasons)} if response.reasons else {}),
    )


def add_reason(extensions: MutableMapping[str, Any], reason: str) -> None:
    """Add a sentence to those of a response."""
    extensions[_REASON] = " ".join(filter(None, [extensions.get(_REASON), reason]))
