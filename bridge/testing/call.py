"""One request on its way through a service: its event, and the response for whatever becomes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge._httpx import httpx
from bridge.testing.messages import ClientRequest, ClientResponse, Refused

if TYPE_CHECKING:
    from bridge.testing.services import Service
    from bridge.testing.setup import Setup

__all__ = ["REASON", "Call", "to_httpx"]

# The key of `response.extensions` with what the service refused or changed, and why.
REASON = "bridge.reason"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of an event, in bytes of JSON.
MAX_EVENT = 6_291_556


class Call:
    """One request at a service. `event`: what the function gets. `refused`: the response, if it gets nothing."""

    def __init__(self, service: Service, request: ClientRequest, setup: Setup) -> None:
        self.request, self.setup = request, setup
        self._service = service
        self.event: dict[str, Any] = {}
        self.refused: httpx.Response | None = None
        try:
            self.event = service.event(request, setup)
            size = len(json.dumps(self.event, ensure_ascii=False).encode("utf-8", "surrogatepass"))
            if size > MAX_EVENT:
                reason = f"The event has {size} bytes of JSON where Lambda accepts {MAX_EVENT}."
                raise Refused(service.too_large(reason, setup))
        except Refused as exc:
            self.refused = to_httpx(exc.response)

    def finished(self, result: object) -> httpx.Response:
        """Return the response for the function's result. Lambda passes it on as JSON."""
        try:
            plain = json.loads(json.dumps(result))
        except (TypeError, ValueError) as exc:
            return self.failed(exc, what="The result is not JSON")
        return to_httpx(self._service.response(plain, self.request, self.setup))

    def failed(self, exc: BaseException, *, what: str = "The function raised") -> httpx.Response:
        """Return the service's own error for a function that raised `exc`."""
        return to_httpx(self._service.failure(f"{what}: {type(exc).__name__}: {exc}", self.setup))

    def head(self, prelude: dict[str, Any]) -> ClientResponse:
        """Return status and headers of a streamed response; the service's own error has a body, too."""
        assert self._service.head is not None  # checked with the options
        return self._service.head(prelude, self.request, self.setup)


def to_httpx(
    response: ClientResponse, stream: httpx.SyncByteStream | httpx.AsyncByteStream | None = None
) -> httpx.Response:
    """Return the response for an httpx client. `stream`: its body, in place of that of `response`."""
    return httpx.Response(
        response.status,
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers],
        stream=httpx.ByteStream(response.body) if stream is None else stream,
        extensions={"http_version": b"HTTP/1.1"} | ({REASON: " ".join(response.reasons)} if response.reasons else {}),
    )
