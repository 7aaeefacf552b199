"""CloudFront with Lambda@Edge, at a viewer request or an origin request, for which the function makes the response.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html

The distribution forwards every header, and includes bodies. Headers are decoded as UTF-8, or else as latin-1: "URI,
query string, and headers encoding" in the page about restrictions. Assumed: `uri` stays encoded.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused
from bridge.testing.services import Service
from bridge.testing.services._request import Event, appended, client_ip, refuse_large
from bridge.testing.services._response import (
    InvalidResult,
    Pairs,
    body_of,
    check,
    name_of,
    respond,
    status_of,
    text_error,
    value_of,
)
from bridge.testing.setup import Setup

__all__ = ["SERVICES"]

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
# What CloudFront removes before the events of origin requests, and no other list has.
_ORIGIN_DROPS = frozenset({"te", "x-http-method-override"})

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
# What a function may not set, and does not see.
_DISALLOWED = frozenset(
    [
        *("connection", "expect", "keep-alive", "trailer", "upgrade"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("x-accel-buffering", "x-accel-charset", "x-accel-limit-rate", "x-accel-redirect"),
        *("x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype"),
        *("x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order", "x-amzn-lambda-integration-tag"),
        *("x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip"),
    ]
)
_DISALLOWED_PREFIXES = ("x-amz-cf-", "x-edge-")

# Documented: the methods of a distribution, 20,480 bytes of request and 8,192 of URL.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_MAX_REQUEST = 20_480
_MAX_URL = 8_192


class _Kind(NamedTuple):
    """One of the two events. `limit`: of a body that the function sees and of a response, in bytes.

    `read_only`: headers of the request. Assumed: a generated response that sets one is refused too.
    """

    event_type: str
    limit: int
    read_only: frozenset[str]


_VIEWER = _Kind("viewer-request", 40 << 10, frozenset({"content-length", "host", "transfer-encoding", "via"}))
_ORIGIN = _Kind(
    "origin-request",
    1 << 20,
    frozenset(
        [
            *("accept-encoding", "content-length", "transfer-encoding", "via"),
            *("if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        ]
    ),
)


def event(request: ClientRequest, setup: Setup, *, kind: _Kind) -> Event:
    """Return the event. After the cache CloudFront drops and adds headers for the origin."""
    _check_request(request)
    hidden = _ORIGIN_DROPS if kind is _ORIGIN else frozenset()
    kept = tuple(
        pair for pair in request.headers if not _is_disallowed(pair[0].lower()) and pair[0].lower() not in hidden
    )
    listed: dict[str, list[dict[str, str]]] = {}
    for name, value in appended(kept, added(request, setup, kind=kind)):
        listed.setdefault(name.lower(), []).append({"key": name, "value": _converted(value)})
    config = {
        "distributionDomainName": "d111111abcdef8.cloudfront.net",
        "distributionId": "EDFDVBD6EXAMPLE",
        "eventType": kind.event_type,
        "requestId": setup.request_id,
    }
    cf_request: Event = {
        "clientIp": client_ip(request),
        "headers": listed,
        "method": request.method,
        "querystring": request.query,
        "uri": request.path,
    }
    if request.body:
        cf_request["body"] = {
            "action": "read-only",
            "data": b64encode(request.body[: kind.limit]).decode("ascii"),
            "encoding": "base64",
            "inputTruncated": len(request.body) > kind.limit,
        }
    return {"Records": [{"cf": {"config": config, "request": cf_request}}]}


def _check_request(request: ClientRequest) -> None:
    if request.method not in _METHODS:
        reason = f"CloudFront accepts no {request.method!r}: there are {', '.join(sorted(_METHODS))}."
        raise Refused(_error(403, "Bad request.").because(reason))
    size = len(request.method) + len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    too_long = _error(413, "Request Entity Too Large")
    refuse_large(request, [(len(request.target), _MAX_URL, too_long), (size, _MAX_REQUEST, too_long)])


def added(request: ClientRequest, setup: Setup, *, kind: _Kind) -> Headers:
    if kind is _VIEWER:
        return ()
    return (("x-forwarded-for", client_ip(request)), ("via", "1.1 abcdef0123456789.cloudfront.net (CloudFront)"))


def _converted(value: str) -> str:
    """Return a value as CloudFront has it: bytes that are not UTF-8 are taken for latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def response(result: object, request: ClientRequest, setup: Setup, *, kind: _Kind) -> ClientResponse:
    """Return the response. Only `status` is required, and it is a string."""
    try:
        passed_on = isinstance(result, dict) and "uri" in result and "status" not in result
        check(not passed_on, "The function returned the request: there is no origin that CloudFront could pass it to.")
        if not isinstance(result, dict) or not isinstance(result.get("status"), str):
            raise InvalidResult("CloudFront requires an object with a status that is a string, such as '200'.")
        status = status_of(result, "status")
        check(status >= 200, f"CloudFront accepts a status from 200 to 599, but got {status}.")
        no_content = kind is _VIEWER and status == 204 and "body" in result
        check(not no_content, "CloudFront accepts no 204 with a body at a viewer request.")
        headers = _headers(result.get("headers"), kind)
        encoding = result.get("bodyEncoding", "text")
        check(encoding in ("text", "base64"), f"Expected 'text' or 'base64' as bodyEncoding, but got {encoding!r}.")
        body = body_of(result, is_base64=encoding == "base64")
        size = len(body) + sum(len(name) + len(value) for name, value in headers)
        check(size <= kind.limit, f"The response has {size} bytes with its headers where {kind.limit} are accepted.")
        own = [
            ("via", "1.1 abcdef0123456789.cloudfront.net (CloudFront)"),
            ("x-cache", "LambdaGeneratedResponse from cloudfront"),
        ]
        return respond(status, [*headers, *own], body, request, [])
    except InvalidResult as exc:
        return failure(str(exc), setup)


def _headers(headers: object, kind: _Kind) -> Pairs:
    check(headers is None or isinstance(headers, dict), f"Expected an object under 'headers', but got {headers!r}.")
    pairs: Pairs = []
    for name, items in (headers if isinstance(headers, Mapping) else {}).items():
        check(
            name not in kind.read_only and not _is_disallowed(name),
            f"CloudFront accepts no header {name!r} from a function.",
        )
        check(isinstance(items, list), f"Expected a list for the header {name!r}, but got {items!r}.")
        for item in items:
            pairs.append(_pair(name, item))
    return pairs


def _is_disallowed(name: str) -> bool:
    return name in _DISALLOWED or name.startswith(_DISALLOWED_PREFIXES)


def _pair(name: str, item: Any) -> tuple[str, str]:
    check(isinstance(item, dict) and "value" in item, f"Expected {{'key', 'value'}} for {name!r}, but got {item!r}.")
    is_same = name == name.lower() and str(item.get("key", name)).lower() == name
    check(is_same, f"Expected {name!r} in lower case, with the same name as 'key', but got {item!r}.")
    return name_of(name), value_of(name, item["value"])


def failure(reason: str, setup: Setup) -> ClientResponse:
    return _error(502, "The Lambda function returned an invalid response.").because(reason)


def too_large(reason: str, setup: Setup) -> ClientResponse:
    return _error(413, "Request Entity Too Large").because(reason)


def _error(status: int, text: str) -> ClientResponse:
    body = f"<body><h1>{status} ERROR</h1><p>{text}</p></body>"
    page = f"<!DOCTYPE html><html><head><title>ERROR</title></head>{body}</html>"
    more = [("server", "CloudFront"), ("x-cache", "Error from cloudfront")]
    return text_error(status, "text/html", page, more=more)


SERVICES = {
    name: Service(
        event=partial(event, kind=kind),
        response=partial(response, kind=kind),
        failure=failure,
        too_large=too_large,
        added=partial(added, kind=kind),
    )
    for name, kind in (("edge-viewer", _VIEWER), ("edge-origin", _ORIGIN))
}
