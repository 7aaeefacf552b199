"""Decoders: the response that each AWS service makes of a function's result, one pure function for each source.

Each returns the response as the client gets it, without the service's own headers (date, request ids, via). A
result that the service would answer with an error of its own instead raises Refused.

Written from AWS's documentation and from what others measured, not from bridge. Where both are silent, a docstring
says what is assumed, and docs/fidelity.md lists it.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urljoin

from tests.integration.exchange import ClientRequest, ClientResponse, Headers, values_of

__all__ = ["Decoder", "Refused", "alb_multi", "alb_single", "edge_origin", "edge_viewer", "function_url"]
__all__ += ["http_api_v1", "http_api_v2", "rest_api", "rest_api_streamed", "vpc_lattice_v1", "vpc_lattice_v2"]

Result = dict[str, Any]

# The request matters too: a response to HEAD has no body, and a load balancer completes a Location.
Decoder = Callable[[Result, ClientRequest], ClientResponse]

Pairs = list[tuple[str, str]]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, as Lambda's error message spells it out.
_LAMBDA_LIMIT = 6_291_556

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html: 1 MB of JSON.
_ALB_LIMIT = 1 << 20

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: from a function, these
# reach the client with "x-amzn-remapped-" before their names, or not at all.
_REST_REMAPS = frozenset(
    [
        *("authorization", "connection", "content-md5", "date"),
        *("max-forwards", "server", "user-agent", "www-authenticate"),
    ]
)
_REST_DROPS = frozenset(
    ["expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"],
)
_REST_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
_REST_PRELUDE_KEYS = {"statusCode", "headers", "multiValueHeaders", "cookies"}

# Not documented. Users see it of this one: https://github.com/cargo-lambda/cargo-lambda/issues/862 of Content-Length.
_URL_REMAPS = frozenset({"www-authenticate"})

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
_EDGE_DISALLOWED = frozenset(
    [
        *("connection", "expect", "keep-alive", "trailer", "upgrade"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("x-accel-buffering", "x-accel-charset", "x-accel-limit-rate", "x-accel-redirect"),
        *("x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype"),
        *("x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order", "x-amzn-lambda-integration-tag"),
        *("x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip"),
    ]
)
_EDGE_DISALLOWED_PREFIXES = ("x-amz-cf-", "x-edge-")
# Of the request, in each of its events. Assumed: a generated response that sets one is refused too.
_VIEWER_READ_ONLY = frozenset({"content-length", "host", "transfer-encoding", "via"})
_ORIGIN_READ_ONLY = frozenset(
    [
        *("accept-encoding", "content-length", "transfer-encoding", "via"),
        *("if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
    ]
)


class Refused(ValueError):
    """Raised for a result that the service does not understand: its client would get a 502 or a 500."""


def rest_api(result: Result, request: ClientRequest) -> ClientResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

    With the binary media type `*/*`. Other keys are refused; multi-value headers come first, and a pair that is in
    both maps is sent once. Content-Length is computed, except, as is assumed, for a response without a body.
    """
    _check(set(result) <= _REST_KEYS, "a key that it does not know")
    return _rest(result, request)


def rest_api_streamed(prelude: Result, request: ClientRequest) -> ClientResponse:
    """The same in response transfer mode STREAM: `prelude`, with the streamed body under `body`."""
    _check(set(prelude) - {"body", "isBase64Encoded"} <= _REST_PRELUDE_KEYS, "a key that it does not know")
    return _rest(prelude, request)


def http_api_v1(result: Result, request: ClientRequest) -> ClientResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Single values come first. Nothing is renamed.
    """
    _check("statusCode" in result, "no statusCode")
    headers = [*_single(result.get("headers")), *_multi(result.get("multiValueHeaders"))]
    return _plain(result, _typed(headers, "text/plain; charset=utf-8"), request)


def http_api_v2(result: Result, request: ClientRequest) -> ClientResponse:
    """The same page, of a result with a statusCode. `multiValueHeaders` is not read. Nothing is renamed."""
    _check("statusCode" in result, "a response that is only a body, in JSON")
    headers = [*_single(result.get("headers")), *_cookies(result)]
    return _plain(result, _typed(headers, "text/plain; charset=utf-8"), request)


def function_url(result: Result, request: ClientRequest) -> ClientResponse:
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

    Without a content-type it is JSON, whatever else the result has.
    """
    _check("statusCode" in result, "a response that is only a body, in JSON")
    headers = _remapped([*_single(result.get("headers")), *_cookies(result)], _URL_REMAPS)
    return _plain(result, _typed(headers, "application/json"), request)


def vpc_lattice_v1(result: Result, request: ClientRequest) -> ClientResponse:
    """https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html#respond-to-service

    Status, headers, body and its encoding are all that the page has, so nothing else is read: neither `cookies` nor
    `multiValueHeaders`. Assumed: values are strings, as they are in the events of this version.
    """
    _check({"isBase64Encoded", "statusCode", "headers"} <= set(result), "a response without one of its three fields")
    return _plain(result, _single(result["headers"]), request)


def vpc_lattice_v2(result: Result, request: ClientRequest) -> ClientResponse:
    """The same. Assumed: several values are a list, as they are in the events of this version."""
    _check({"isBase64Encoded", "statusCode", "headers"} <= set(result), "a response without one of its three fields")
    lists = {name: value if isinstance(value, list) else [value] for name, value in result["headers"].items()}
    return _plain(result, _multi(lists), request)


def alb_single(result: Result, request: ClientRequest) -> ClientResponse:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

    Only `headers` is read. Assumed: each spelling of a name is a header of its own.
    """
    return _alb(result, _single(result.get("headers", {})), request)


def alb_multi(result: Result, request: ClientRequest) -> ClientResponse:
    """The same with the target group's attribute lambda.multi_value_headers.enabled: only the lists are read.

    The page says not to count on the order of values, and it was seen reversed:
    https://github.com/dougmoscrop/serverless-http/issues/244
    """
    lists = {name: values[::-1] for name, values in result.get("multiValueHeaders", {}).items()}
    return _alb(result, _multi(lists), request)


def edge_viewer(result: Result, request: ClientRequest) -> ClientResponse:
    """docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html"""
    _check(result.get("status") != "204" or "body" not in result, "a 204 with a value for its body")
    return _edge(result, request, read_only=_VIEWER_READ_ONLY, limit=40 << 10)


def edge_origin(result: Result, request: ClientRequest) -> ClientResponse:
    """The same page."""
    return _edge(result, request, read_only=_ORIGIN_READ_ONLY, limit=1 << 20)


def _rest(result: Result, request: ClientRequest) -> ClientResponse:
    _check(all(isinstance(values, list) for values in result.get("multiValueHeaders", {}).values()), "no list")
    multi = _multi(result.get("multiValueHeaders"))
    single = [pair for pair in _single(result.get("headers")) if pair not in multi]
    headers = [pair for pair in [*multi, *single, *_cookies(result)] if pair[0] not in _REST_DROPS]
    return _plain(result, _typed(_remapped(headers, _REST_REMAPS), "application/json"), request)


def _alb(result: Result, headers: Pairs, request: ClientRequest) -> ClientResponse:
    _check(None not in result.values(), "a field that is null")
    _check(len(json.dumps(result, ensure_ascii=False).encode()) <= _ALB_LIMIT, "a result of more than 1 MB")
    description = result.get("statusDescription", f"{result['statusCode']} ")
    _check(str(description).startswith(f"{result['statusCode']} "), "a statusDescription without its code")
    (host,) = values_of(request.headers, "host")
    url = f"https://{host}{request.target}"
    headers = [(name, urljoin(url, value) if name == "location" else value) for name, value in headers]
    return _plain(result, headers, request)


def _edge(result: Result, request: ClientRequest, *, read_only: frozenset[str], limit: int) -> ClientResponse:
    status = result["status"]
    _check(isinstance(status, str) and status.isdigit() and 200 <= int(status) <= 599, f"the status {status!r}")
    headers: Pairs = []
    for name, items in result.get("headers", {}).items():
        refused = name in read_only or name in _EDGE_DISALLOWED or name.startswith(_EDGE_DISALLOWED_PREFIXES)
        _check(not refused, f"the header {name}")
        _check(name == name.lower() and all(item.get("key", name).lower() == name for item in items), f"a key: {name}")
        headers += [(name, _value(item["value"])) for item in items]
    encoding = result.get("bodyEncoding", "text")
    _check(encoding in ("text", "base64"), "an unknown bodyEncoding")
    body = _body(result.get("body", ""), is_base64=encoding == "base64")
    _check(len(body) + sum(len(name) + len(value) for name, value in headers) <= limit, "a response that is too large")
    return _response(int(status), headers, body, request)


def _plain(result: Result, headers: Pairs, request: ClientRequest) -> ClientResponse:
    _check(len(json.dumps(result, ensure_ascii=False).encode()) <= _LAMBDA_LIMIT, "a result of more than 6 MB")
    status, is_base64 = result["statusCode"], result.get("isBase64Encoded", False)
    _check(type(status) is int and type(is_base64) is bool, "a status or flag of the wrong type")
    return _response(status, headers, _body(result.get("body", ""), is_base64=is_base64), request)


def _typed(headers: Pairs, default: str) -> Pairs:
    return headers if values_of(headers, "content-type") else [*headers, ("content-type", default)]


def _single(headers: dict[str, object] | None) -> Pairs:
    return [(name.lower(), _value(value)) for name, value in (headers or {}).items()]


def _multi(headers: dict[str, list[object]] | None) -> Pairs:
    return [(name.lower(), _value(value)) for name, values in (headers or {}).items() for value in values]


def _cookies(result: Result) -> Pairs:
    return [("set-cookie", _value(cookie)) for cookie in result.get("cookies") or []]


def _remapped(headers: Iterable[tuple[str, str]], names: frozenset[str]) -> Pairs:
    return [(f"x-amzn-remapped-{name}" if name in names else name, value) for name, value in headers]


def _value(value: object) -> str:
    """Return a value on the wire, one character for each byte. Assumed: it is sent in UTF-8, as requests are read."""
    if not isinstance(value, str):
        raise Refused(f"a header value that is not a string: {value!r}")
    return value.encode("utf-8").decode("latin-1")


def _body(body: object, *, is_base64: bool) -> bytes:
    _check(isinstance(body, str), "a body that is not a string")
    return b64decode(str(body), validate=True) if is_base64 else str(body).encode("utf-8")


def _response(status: int, headers: Iterable[tuple[str, str]], body: bytes, request: ClientRequest) -> ClientResponse:
    """The response on the wire: AWS has the whole body, and tells its length if the function did not."""
    pairs: Headers = tuple(headers)
    lengths = values_of(pairs, "content-length")
    _check(len(lengths) < 2, "two lengths")
    if request.method == "HEAD" or status in (204, 304):
        _check(body == b"", "a body where there cannot be one")
        return ClientResponse(status, pairs, b"")
    _check(lengths in ([], [str(len(body))]), "a length that is not the body's")
    return ClientResponse(status, pairs if lengths else (*pairs, ("content-length", str(len(body)))), body)


def _check(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Refused(otherwise)
