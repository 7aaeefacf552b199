"""The request that every service gets in the tests, and how a test asks a service."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused
from bridge.testing.services import ServiceName, service_of
from bridge.testing.setup import Setup

__all__ = ["ID", "LONG_ID", "REQUEST", "SETUP", "TRACE", "ask", "event_of", "get", "header", "refusal_of"]

ID = "0f6b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d"
LONG_ID = "D2scLT5PSluMbX4="
TRACE = "Root=1-67891233-abcdef012345678912345678"
SETUP = Setup(request_id=ID, trace_id=TRACE, time=1735725600.5)

BODY = '{"a": "é"}'.encode()
REQUEST = ClientRequest(
    method="POST",
    target="/caf%C3%A9/a%2Fb/?tag=b&tag=a%20c+d&empty=",
    headers=(
        ("host", "shop.example"),
        ("User-agent", "curl/8"),
        ("x-Tag", "one"),
        ("x-Tag", "Zo\xc3\xab"),
        ("Cookie", "a=1; b=x=y"),
        ("Content-type", "application/json"),
        ("Content-Length", str(len(BODY))),
        ("Connection", "keep-alive"),
    ),
    body=BODY,
)


def get(target: str = "/", *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> ClientRequest:
    return ClientRequest(method=method, target=target, headers=(("Host", "shop.example"), *headers), body=body)


def event_of(source: ServiceName, request: ClientRequest = REQUEST, **setup: Any) -> dict[str, Any]:
    return service_of(source).event_for(request, replace(SETUP, **setup))


def ask(source: ServiceName, result: object, request: ClientRequest | None = None, **setup: Any) -> ClientResponse:
    return service_of(source).response(result, request or get(), replace(SETUP, **setup))


def header(name: str, *values: str) -> Headers:
    return tuple((name, value) for value in values)


def refusal_of(source: ServiceName, request: ClientRequest, **setup: Any) -> ClientResponse:
    """Return the response to a request that the service refuses."""
    with pytest.raises(Refused) as caught:
        service_of(source).event_for(request, replace(SETUP, **setup))
    assert caught.value.response.reasons != ()
    return caught.value.response
