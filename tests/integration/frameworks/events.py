"""Gateways: the events that AWS makes of requests, and the responses that it makes of results.

Written from AWS's documentation of each payload; an `httpx.Request` is what the client sent, and an
`httpx.Response` what it got.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

__all__ = ["GATEWAYS", "Gateway", "response_of"]

Event = dict[str, Any]
Encode = Callable[[httpx.Request, str], Event]

CLIENT = "203.0.113.7"

_TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/73e2d6bc24d8a067"

# The rest reaches the function as base64.
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True)
class Gateway:
    """One event source in one configuration.

    `stage`: the prefix that clients use and that is not part of the application's own paths. `joins_headers`: whether
    repeated response headers become one, `drops_query`: whether only the last of repeated query keys survives.
    `streams`: whether the response is streamed.
    """

    name: str
    host: str
    encode: Encode
    stage: str = ""
    joins_headers: bool = False
    drops_query: bool = False
    streams: bool = False

    def request(self, method: str, path: str, **options: Any) -> httpx.Request:
        """Return the client's request for the application's `path`, with the headers that AWS adds on the way."""
        request = httpx.Request(method, f"https://{self.host}{self.stage}{path}", **options)
        request.read()
        request.headers["x-forwarded-for"] = CLIENT
        request.headers["x-forwarded-port"] = "443"
        request.headers["x-forwarded-proto"] = "https"
        return request

    def event(self, request: httpx.Request) -> Event:
        """Return the event with which AWS invokes the function."""
        return self.encode(request, self.stage)


def _rest_api(request: httpx.Request, stage: str) -> Event:
    """Return an event with all values of each name, and with the last. The query is decoded, the path is not."""
    path, query = _target(request)
    parameters = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path.removeprefix(stage),
        "httpMethod": request.method,
        "headers": dict(_headers(request, dropped="content-length")),
        "multiValueHeaders": _listed(_headers(request, dropped="content-length")),
        "queryStringParameters": dict(parameters) or None,
        "multiValueQueryStringParameters": _listed(parameters) or None,
        "pathParameters": {"proxy": path.removeprefix(stage).lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "stage": stage.lstrip("/"),
            "domainName": request.url.host,
            "identity": {"sourceIp": CLIENT, "userAgent": None},
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        },
        **_body(request),
    }


def _payload_v2(request: httpx.Request, stage: str, path: str) -> Event:
    """Return an event with repeats joined by commas, and cookies in a list of their own."""
    cookies = request.headers.get("cookie")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": _target(request)[1],
        **({"cookies": cookies.split("; ")} if cookies else {}),
        "headers": {name: request.headers[name] for name in request.headers if name != "cookie"},
        "requestContext": {
            "domainName": request.url.host,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": "",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": stage.lstrip("/") or "$default",
        },
        **_body(request),
    }


def _http_api_v2(request: httpx.Request, stage: str) -> Event:
    """`rawPath` is decoded, and begins with the stage if that has a name."""
    return _payload_v2(request, stage, unquote(_target(request)[0]))


def _function_url(request: httpx.Request, stage: str) -> Event:
    return _payload_v2(request, stage, _target(request)[0])


def _alb(request: httpx.Request) -> Event:
    path, _ = _target(request)
    return {
        "requestContext": {"elb": {"targetGroupArn": _TARGET_GROUP}},
        "httpMethod": request.method,
        "path": path,
        **_body(request),
    }


def _alb_single(request: httpx.Request, _: str) -> Event:
    """Return an event with the last value of each header and query key. The query is not decoded."""
    query = {key: value for key, _, value in (pair.partition("=") for pair in _pairs(request))}
    return {**_alb(request), "headers": dict(_headers(request)), "queryStringParameters": query}


def _alb_multi(request: httpx.Request, _: str) -> Event:
    query = _listed([(key, value) for key, _, value in (pair.partition("=") for pair in _pairs(request))])
    return {**_alb(request), "multiValueHeaders": _listed(_headers(request)), "multiValueQueryStringParameters": query}


def _target(request: httpx.Request) -> tuple[str, str]:
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    return path, query


def _pairs(request: httpx.Request) -> list[str]:
    query = _target(request)[1]
    return query.split("&") if query else []


def _headers(request: httpx.Request, *, dropped: str = "") -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.multi_items() if name != dropped]


def _listed(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name, value in pairs:
        result.setdefault(name, []).append(value)
    return result


def _body(request: httpx.Request) -> Event:
    if not request.content:
        return {"body": None, "isBase64Encoded": False}
    if request.headers.get("content-type", "").startswith(_TEXT):
        return {"body": request.content.decode("utf-8"), "isBase64Encoded": False}
    return {"body": b64encode(request.content).decode("ascii"), "isBase64Encoded": True}


def response_of(result: Event, body: bytes | None = None) -> httpx.Response:
    """Return the client's response for a result. `body`: the streamed bytes, if the result is a prelude."""
    headers: list[tuple[str, str]] = list((result.get("headers") or {}).items())
    headers += [(name, value) for name, values in (result.get("multiValueHeaders") or {}).items() for value in values]
    headers += [("set-cookie", cookie) for cookie in result.get("cookies", ())]
    if body is None:
        text: str = result["body"]
        body = b64decode(text, validate=True) if result["isBase64Encoded"] else text.encode("utf-8")
    # As a stream, because httpx would add a content-length to plain content.
    response = httpx.Response(result["statusCode"], headers=headers, stream=httpx.ByteStream(body))
    response.read()
    return response


_REST_HOST = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
_HTTP_HOST = "f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com"
_URL_HOST = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"
_ALB_HOST = "shop-1234567890.eu-west-1.elb.amazonaws.com"

GATEWAYS = [
    Gateway("rest-api", _REST_HOST, _rest_api, stage="/prod"),
    Gateway("rest-api-streamed", _REST_HOST, _rest_api, stage="/prod", joins_headers=True, streams=True),
    Gateway("rest-api-custom-domain", "api.example.com", _rest_api),
    Gateway("http-api-v2", _HTTP_HOST, _http_api_v2, joins_headers=True),
    Gateway("http-api-v2-stage", _HTTP_HOST, _http_api_v2, stage="/prod", joins_headers=True),
    Gateway("function-url", _URL_HOST, _function_url, joins_headers=True),
    Gateway("function-url-streamed", _URL_HOST, _function_url, joins_headers=True, streams=True),
    Gateway("alb", _ALB_HOST, _alb_single, joins_headers=True, drops_query=True),
    Gateway("alb-multi", _ALB_HOST, _alb_multi),
]
