"""What a service answers itself without a call of the function, and what its client gets if that failed."""

import json
from typing import Any, get_args

import pytest

from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName, service_of
from tests.cases import every_case
from tests.testing.messages import ID, SETUP, get, header, refusal_of

JSON = ("content-type", "application/json")
SOURCES: tuple[ServiceName, ...] = get_args(ServiceName)


def large(size: int) -> ClientRequest:
    return get(method="POST", body=b"\xff" * size)


def long(size: int, *, count: int = 1) -> ClientRequest:
    return get("/", *[(f"X-{number}", "a" * size) for number in range(count)])


MB = 1 << 20


@every_case(
    ("source", "request_", "setup", "status", "message"),
    [
        # Methods.
        ("rest-api", get(method="PROPFIND"), {}, 403, "Missing Authentication Token"),
        ("rest-api", get(method="CONNECT"), {}, 403, "Missing Authentication Token"),
        ("rest-api", get("/", ("X-HTTP-Method-Override", "PURGE")), {}, 403, "Missing Authentication Token"),
        ("http-api", get(method="CONNECT"), {}, 400, "Bad Request"),
        ("function-url", get(method="CONNECT"), {}, 400, "Bad Request"),
        ("alb", get(method="CONNECT"), {}, 405, "405 Method Not Allowed"),
        ("alb-multi", get(method="TRACE"), {}, 405, "405 Method Not Allowed"),
        ("lattice-v2", get(method="CONNECT"), {}, 400, "Bad Request"),
        ("edge-viewer", get(method="PROPFIND"), {}, 403, "403 ERROR"),
        # Sizes: of a body, of its event, of headers.
        ("rest-api", large(10 * MB + 1), {}, 413, "Request Too Long"),
        ("rest-api", large(5 * MB), {}, 413, "Request Too Long"),
        ("http-api", large(5 * MB), {}, 413, "Request Entity Too Large"),
        ("http-api-v1", large(10 * MB + 1), {}, 413, "Request Entity Too Large"),
        ("function-url", large(5 * MB), {}, 413, "Request Entity Too Large"),
        ("alb", large(MB + 1), {}, 413, "413 Request Entity Too Large"),
        ("lattice-v1", large(5 * MB), {}, 413, "Payload Too Large"),
        ("rest-api", long(10_240), {}, 431, "Request Header Fields Too Large"),
        ("http-api", long(10_230), {}, 431, "Request Header Fields Too Large"),
        ("alb", get("/" + "a" * 16_384), {}, 414, "414 Request-URI Too Large"),
        ("alb", long(16_384), {}, 400, "400 Bad Request"),
        ("alb", long(16_000, count=5), {}, 400, "400 Bad Request"),
        ("edge-viewer", get("/" + "a" * 8_192), {}, 413, "413 ERROR"),
        ("edge-origin", long(10_000, count=3), {}, 413, "413 ERROR"),
        # Paths of another deployment.
        ("rest-api", get("/production"), {"stage": "prod"}, 403, "Forbidden"),
        ("http-api", get("/production"), {"stage": "prod"}, 404, "Not Found"),
        ("http-api-v1", get("/"), {"domain": "a.example", "base_path": "/shop"}, 404, "Not Found"),
        ("rest-api", get("/ping"), {"domain": "a.example"}, 403, "Forbidden"),
        # The others.
        ("rest-api", get("/?a={b}"), {}, 400, "Bad Request"),
        ("alb", get("/", ("Upgrade", "WebSocket")), {}, 400, "400 Bad Request"),
        ("alb", get("/", ("Transfer-Encoding", "gzip")), {}, 501, "501 Not Implemented"),
        ("alb", get("/", ("X-Forwarded-For", "192.0.2.1," * 30 + "192.0.2.1")), {}, 463, "463"),
    ],
)  # fmt: skip
def test_what_a_service_refuses(
    source: ServiceName, request_: ClientRequest, setup: dict[str, Any], status: int, message: str
) -> None:
    response = refusal_of(source, request_, **setup)
    assert response.status == status
    if JSON in response.headers:
        assert response.body == json.dumps({"message": message}, separators=(",", ":")).encode()
    else:
        assert message.encode() in response.body


@every_case(
    ("source", "request_"),
    [
        ("rest-api", long(10_227)),  # with the Host header, 10,239 bytes of values
        ("alb", get("/" + "a" * 16_360)),
        ("alb", large(100_000)),
        ("alb", get("/", ("X-Forwarded-For", "192.0.2.1," * 29 + "192.0.2.1"))),
        ("function-url", get(method="PROPFIND")),
        ("function-url", long(100_000)),
        ("http-api", get(method="PROPFIND")),
        ("alb", get(method="PROPFIND")),
        ("edge-viewer", get("/" + "a" * 8_000)),
    ],
)
def test_what_is_still_accepted(source: ServiceName, request_: ClientRequest) -> None:
    assert service_of(source).event_for(request_, SETUP) != {}


INTERNAL = b'{"message": "Internal server error"}'


@every_case(
    ("source", "status", "body", "headers"),
    [
        ("rest-api", 502, INTERNAL,
         (("x-amzn-RequestId", ID), ("x-amzn-ErrorType", "InternalServerErrorException"), JSON)),
        ("http-api", 500, b'{"message":"Internal Server Error"}', (("apigw-requestid", SETUP.extended_id), JSON)),
        ("http-api-v1", 500, b'{"message":"Internal Server Error"}', (("apigw-requestid", SETUP.extended_id), JSON)),
        ("function-url", 502, b"Internal Server Error",
         (("x-amzn-requestid", ID), ("content-type", "text/plain;charset=UTF-8"))),
        *((source, 502, b"502 Bad Gateway", (("server", "awselb/2.0"), ("content-type", "text/html")))
          for source in ("alb", "alb-multi")),
        *((source, 502, b"502 ERROR", (("server", "CloudFront"), ("x-cache", "Error from cloudfront"),
                                       ("content-type", "text/html"))) for source in ("edge-viewer", "edge-origin")),
        *((source, 502, b"Bad Gateway", (("content-type", "text/plain"),)) for source in ("lattice-v1", "lattice-v2")),
    ],
)  # fmt: skip
def test_a_function_that_failed_is_the_services_own_error(
    source: ServiceName, status: int, body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    response = service_of(source).failure("It failed.", SETUP)
    assert (response.status, response.reasons) == (status, ("It failed.",))
    assert body in response.body
    assert response.headers == (*headers, *header("content-length", str(len(response.body))))


@pytest.mark.parametrize("source", SOURCES)
def test_only_two_services_stream(source: ServiceName) -> None:
    service = service_of(source)
    assert (service.head is not None, "stream" in service.options) == ((source in ("function-url", "rest-api")),) * 2
