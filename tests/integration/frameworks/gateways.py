"""The services that the frameworks are tried behind, as httpx clients see them."""

from dataclasses import dataclass
from typing import Any

import httpx

from bridge.testing.messages import ClientRequest
from tests.integration.services import SERVICES, Service

__all__ = ["CLIENT", "GATEWAYS", "HOST", "STAGED", "URL_STREAMED", "Gateway"]

CLIENT = "203.0.113.7"
HOST = "shop.example.com"


@dataclass(frozen=True)
class Gateway:
    """One service. `streams`: whether the response is streamed."""

    service: Service
    streams: bool = False

    def url(self, path: str) -> str:
        """What the client calls the application's `path`."""
        return f"https://{HOST}{self.service.stage}{path}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Request:
        """What the client sends for the application's `path`."""
        request = httpx.Request(method, self.url(path), **options)
        request.read()
        return request

    def event(self, request: httpx.Request) -> dict[str, Any]:
        """What AWS invokes the function with."""
        return self.service.event(_on_the_wire(request))

    def forwarded(self, request: httpx.Request) -> httpx.Headers:
        """Return the headers of the request, with those that AWS adds on the way, or that tell a server the scheme."""
        headers = httpx.Headers([*request.headers.raw, *_encoded(self.service.added(_on_the_wire(request)))])
        headers.setdefault("x-forwarded-proto", "https")
        return headers

    def response(self, result: dict[str, Any], request: httpx.Request, body: bytes | None = None) -> httpx.Response:
        """Return the client's response for a result. `body`: the streamed bytes, if the result is a prelude."""
        sent = _on_the_wire(request)
        decoded = self.service.response(result, sent) if body is None else self.service.streamed(result, body, sent)
        # As a stream, because httpx would add a content-length to plain content.
        response = httpx.Response(
            decoded.status, headers=_encoded(decoded.headers), stream=httpx.ByteStream(decoded.body)
        )
        response.read()
        return response


def _on_the_wire(request: httpx.Request) -> ClientRequest:
    return ClientRequest(
        method=request.method,
        target=request.url.raw_path.decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw),
        body=request.content,
        client=(CLIENT, 50000),
    )


def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


_BY_ID = {service.id: service for service in SERVICES}

# A REST API with a stage changes requests most.
STAGED = Gateway(_BY_ID["rest-stage"])
URL_STREAMED = Gateway(_BY_ID["url"], streams=True)
GATEWAYS = [
    *map(Gateway, SERVICES),
    Gateway(_BY_ID["rest-stage"], streams=True),
    URL_STREAMED,
]
