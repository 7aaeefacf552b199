"""The whole event that each service makes of one request, and what differs with other requests and set-ups.

The files in events/ follow AWS's documentation, and what was measured of names, encodings and absent fields.
"""

import json
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import pytest

from bridge.testing.messages import ClientRequest
from bridge.testing.services import ServiceName, service_of
from tests.cases import every_case
from tests.testing.messages import REQUEST, TRACE, event_of, get

EVENTS = Path(__file__).parents[1] / "events"

SOURCES: tuple[ServiceName, ...] = get_args(ServiceName)
WITHOUT_TRACE: tuple[ServiceName, ...] = ("lattice-v1", "lattice-v2", "edge-viewer", "edge-origin")


@every_case("source", SOURCES)
def test_an_event_has_all_that_its_service_sends(source: ServiceName) -> None:
    assert event_of(source) == json.loads((EVENTS / f"{source}.json").read_text(encoding="utf-8"))


def field_of(event: Any, path: str) -> Any:
    """Return the value under keys that are separated by slashes, None where a key is missing."""
    keys = [int(key) if key.isdigit() else key for key in path.split("/")]
    return reduce(lambda value, key: value.get(key) if isinstance(value, dict) else value[key], keys, event)


EDGE = "Records/0/cf/request"
GZIPPED = replace(REQUEST, headers=(*REQUEST.headers, ("Content-Encoding", "gzip")))
TYPELESS = get(method="POST", body=b"x")
CHUNKED = get("/", ("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain"), method="POST", body=b"abc")
OLD_TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Fancy=1"
TRACED = get("/", ("X-Amzn-Trace-Id", OLD_TRACE))
FORWARDED = get("/", ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "70"))
PLAIN = replace(get(), scheme="http")
OTHER_PORT = replace(get(), server_port=8443)
WITH_PORT = replace(get(), headers=(("Host", "shop.example:8443"),))
TWO_HOPS = get("/", ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2"))
LATIN = get("/", ("X-A", "caf\xe9"))


@every_case(
    ("source", "request_", "path", "expected"),
    [
        # No body.
        ("rest-api", get(), "body", None),
        ("http-api-v1", get(), "body", None),
        ("http-api", get(), "body", None),
        ("alb", get(), "body", ""),
        ("lattice-v2", get(), "body", ""),
        ("edge-viewer", get(), f"{EDGE}/body", None),
        # No query.
        ("rest-api", get(), "queryStringParameters", None),
        ("http-api-v1", get(), "multiValueQueryStringParameters", None),
        ("http-api", get(), "rawQueryString", ""),
        ("http-api", get(), "queryStringParameters", None),
        ("alb", get(), "queryStringParameters", {}),
        ("edge-viewer", get(), f"{EDGE}/querystring", ""),
        # The length of a body: REST APIs drop it, HTTP APIs add it, chunks become one.
        ("rest-api", CHUNKED, "headers/Content-Length", None),
        ("http-api", get(), "headers/content-length", "0"),
        ("http-api-v1", get(), "headers/Content-Length", "0"),
        ("function-url", get(), "headers/content-length", None),
        ("function-url", CHUNKED, "headers/content-length", "3"),
        ("function-url", CHUNKED, "headers/transfer-encoding", None),
        # Text and base64.
        ("http-api", GZIPPED, "isBase64Encoded", True),
        ("alb", GZIPPED, "isBase64Encoded", True),
        ("lattice-v2", GZIPPED, "isBase64Encoded", None),
        ("alb", TYPELESS, "body", "eA=="),
        ("lattice-v1", TYPELESS, "is_base64_encoded", True),
        ("rest-api", get("/", ("Content-Type", "text/plain"), method="POST", body=b"x"), "isBase64Encoded", True),
        # The client's own trace id, and what describes its connection.
        ("alb", TRACED, "headers/x-amzn-trace-id", f"{TRACE.replace('Root', 'Self')};{OLD_TRACE}"),
        ("alb", get("/", ("X-Amzn-Trace-Id", "Self=1-a;Fancy=1")), "headers/x-amzn-trace-id", f"{TRACE};Fancy=1"),
        ("rest-api", TRACED, "multiValueHeaders/X-Amzn-Trace-Id", [TRACE]),
        ("function-url", TRACED, "headers/x-amzn-trace-id", TRACE),
        ("edge-viewer", TRACED, f"{EDGE}/headers/x-amzn-trace-id/0/value", OLD_TRACE),
        ("rest-api", FORWARDED, "headers/X-Forwarded-For", "192.0.2.1, 203.0.113.7"),
        ("function-url", FORWARDED, "headers/x-forwarded-proto", "https"),
        ("alb-multi", FORWARDED, "multiValueHeaders/x-forwarded-port", ["443"]),
        ("lattice-v1", FORWARDED, "headers/x-forwarded-for", "192.0.2.1, 203.0.113.7"),
        ("lattice-v1", FORWARDED, "headers/x-forwarded-proto", "gopher"),
        ("edge-viewer", FORWARDED, f"{EDGE}/headers/x-forwarded-for/0/value", "192.0.2.1"),
        ("edge-origin", FORWARDED, f"{EDGE}/headers/x-forwarded-for/0/value", "192.0.2.1, 203.0.113.7"),
        ("edge-viewer", FORWARDED, f"{EDGE}/headers/x-forwarded-proto", None),
        ("alb", PLAIN, "headers/x-forwarded-proto", "http"),
        ("alb", PLAIN, "headers/x-forwarded-port", "80"),
        # The port of a load balancer's listener is that of its Host, unless it is 80 or 443.
        ("alb", OTHER_PORT, "headers/host", "shop.example:8443"),
        ("alb", OTHER_PORT, "headers/x-forwarded-port", "8443"),
        ("alb", WITH_PORT, "headers/host", "shop.example"),
        ("function-url", WITH_PORT, "headers/host", "shop.example:8443"),
        # Bytes of header values that are not UTF-8.
        ("function-url", LATIN, "headers/x-a", "caf\ufffd"),
        ("edge-origin", LATIN, f"{EDGE}/headers/x-a/0/value", "caf\xe9"),
        # Paths.
        ("rest-api", get("//a//b/"), "path", "/a//b/"),
        ("rest-api", get("//a//b/"), "requestContext/path", "//a//b/"),
        ("rest-api", get("//a//b/"), "pathParameters/proxy", "a//b"),
        ("alb", TWO_HOPS, "headers/x-forwarded-for", "192.0.2.2, 203.0.113.7"),
        ("function-url", TWO_HOPS, "headers/x-forwarded-for", "192.0.2.1,192.0.2.2, 203.0.113.7"),
        ("rest-api", get("//"), "pathParameters", None),
        ("rest-api", get("/"), "resource", "/"),
        ("rest-api", get("/"), "requestContext/resourcePath", "/"),
        ("http-api", get("/what%3Fnow"), "rawPath", "/what"),
        ("function-url", get("/pa2%Fth"), "rawPath", "/pa2%Fth"),
        ("function-url", get("/caf%C3%A9"), "requestContext/http/path", "/caf\xe9"),
        ("function-url", get("/%2541"), "requestContext/http/path", "/%41"),
        ("http-api", get("/%2541"), "rawPath", "/%41"),
        ("http-api", get("/%2541"), "requestContext/http/path", "/%41"),
        # What the service takes out.
        ("rest-api", get("/", ("Expect", "100-continue")), "headers/Expect", None),
        ("rest-api", get("/", ("Authorization", "AWS4-HMAC-SHA256 Credential=a")), "headers/Authorization", None),
        ("rest-api", get("/", ("authorization", "Basic dTpw")), "headers/Authorization", "Basic dTpw"),
        ("rest-api", get("/?a=1;b=2"), "queryStringParameters", {"a": "1", "b": "2"}),
        ("edge-viewer", get("/", ("X-Real-IP", "192.0.2.1")), f"{EDGE}/headers/x-real-ip", None),
        ("edge-viewer", get("/", ("TE", "trailers")), f"{EDGE}/headers/te/0/value", "trailers"),
        ("edge-origin", get("/", ("TE", "trailers")), f"{EDGE}/headers/te", None),
        ("edge-viewer", get(method="POST", body=b"x" * 40961), f"{EDGE}/body/inputTruncated", True),
        # Cookies.
        ("http-api", get("/", ("Cookie", "a=1;b=2"), ("Cookie", "c=3")), "cookies", ["a=1", "b=2", "c=3"]),
        ("http-api", REQUEST, "headers/cookie", None),
        ("alb", get("/", ("Cookie", "a=1"), ("Cookie", "b=2")), "headers/cookie", "b=2"),
    ],
)  # fmt: skip
def test_a_field(source: ServiceName, request_: ClientRequest, path: str, expected: object) -> None:
    assert field_of(event_of(source, request_), path) == expected


@every_case(
    ("source", "target", "setup", "expected"),
    [
        ("rest-api", "/prod/a", {"stage": "prod"},
         {"path": "/a", "requestContext/path": "/prod/a", "requestContext/stage": "prod"}),
        ("rest-api", "/prod", {"stage": "prod"}, {"path": "/", "requestContext/path": "/prod"}),
        ("rest-api", "/shop/a", {"domain": "a.example", "base_path": "/shop"},
         {"path": "/shop/a", "requestContext/path": "/shop/a", "requestContext/stage": "prod",
          "requestContext/domainName": "a.example", "requestContext/domainPrefix": "a"}),
        ("http-api", "/prod/a", {"stage": "prod"},
         {"rawPath": "/prod/a", "requestContext/http/path": "/prod/a", "requestContext/stage": "prod"}),
        ("http-api", "/shop/a", {"domain": "a.example", "base_path": "/shop"},
         {"rawPath": "/a", "requestContext/http/path": "/a", "requestContext/domainName": "a.example"}),
        ("http-api-v1", "/prod/a", {"stage": "prod"}, {"path": "/prod/a", "requestContext/path": "/prod/a"}),
        ("http-api-v1", "/shop/a", {"domain": "a.example", "base_path": "/shop"}, {"path": "/shop/a"}),
        *(
            (source, "/", {"authorizer": {"lambda": {"a": 7}}}, {"requestContext/authorizer": {"lambda": {"a": 7}}})
            for source in ("rest-api", "http-api", "http-api-v1", "function-url")
        ),
        ("function-url", "/", {"authorizer": {"iam": {}}}, {"requestContext/accountId": "123456789012"}),
        ("rest-api", "/", {"binary_media_types": ("image/png",)}, {"isBase64Encoded": False, "body": "x"}),
    ],
)  # fmt: skip
def test_a_set_up(source: ServiceName, target: str, setup: dict[str, Any], expected: dict[str, object]) -> None:
    event = event_of(source, get(target, ("Content-Type", "text/plain"), method="POST", body=b"x"), **setup)
    assert {path: field_of(event, path) for path in expected} == expected


def test_a_method_override_of_a_rest_api_takes_the_methods_place() -> None:
    event = event_of("rest-api", get("/", ("X-HTTP-Method-Override", "PATCH"), method="POST"))
    assert (event["httpMethod"], event["requestContext"]["httpMethod"]) == ("PATCH", "PATCH")
    assert event["headers"].keys().isdisjoint({"X-HTTP-Method-Override", "x-http-method-override"})


def test_another_name_is_an_error_that_lists_all() -> None:
    with pytest.raises(ValueError, match=r"function-url.*edge-origin.*'lambda'"):
        service_of("lambda")  # type: ignore[arg-type]
