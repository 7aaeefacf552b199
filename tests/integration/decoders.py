"""Decoders: the response that each AWS service makes of a function's result, one pure function for each source.

Each returns the response as the client gets it, without the service's own headers (date, request ids, via). A
result that the service would answer with a 502 instead raises Refused.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

from tests.integration.exchange import ClientResponse, Headers, values_of

__all__ = ["Decoder", "Refused", "alb_multi", "alb_single", "edge", "function_url", "http_api_v1", "http_api_v2"]
__all__ += ["rest_api", "vpc_lattice"]

Result = dict[str, Any]

# `method`: of the request, because a response to HEAD has no body.
Decoder = Callable[[Result, str], ClientResponse]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: from a function, these
# reach the client with "x-amzn-remapped-" before their names. Users see the same of Function URLs.
_REMAPPED = frozenset({"authorization", "content-md5", "date", "server", "user-agent", "www-authenticate"})

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html: a response
# that sets one of these is refused in both kinds of request trigger.
_EDGE_REFUSES = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-accel-redirect",
        "x-cache",
        "x-forwarded-proto",
        "x-real-ip",
    ]
)


class Refused(ValueError):
    """Raised for a result that the service does not understand: its client would get a 502."""


def rest_api(result: Result, method: str) -> ClientResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

    `headers` and `multiValueHeaders` are merged; a response is JSON unless it says otherwise.
    """
    return _payload_v1(result, method, default_type="application/json", remapped=_REMAPPED)


def http_api_v1(result: Result, method: str) -> ClientResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    return _payload_v1(result, method, default_type="text/plain;charset=UTF-8", remapped=frozenset())


def http_api_v2(result: Result, method: str) -> ClientResponse:
    """The same page. Assumed of both: a response is plain text unless it says otherwise."""
    return _payload_v2(result, method, default_type="text/plain;charset=UTF-8", remapped=frozenset())


def function_url(result: Result, method: str) -> ClientResponse:
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

    Assumed: a response is JSON unless it says otherwise.
    """
    return _payload_v2(result, method, default_type="application/json", remapped=_REMAPPED)


def vpc_lattice(result: Result, method: str) -> ClientResponse:
    """https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html; assumed: `cookies` is honoured."""
    return _payload_v2(result, method, default_type=None, remapped=frozenset())


def alb_single(result: Result, method: str) -> ClientResponse:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html"""
    _check("multiValueHeaders" not in result, "multi-value headers, which the target group has turned off")
    return _alb(result, _single(result, "headers"), method)


def alb_multi(result: Result, method: str) -> ClientResponse:
    """The same with the target group's attribute lambda.multi_value_headers.enabled: only the lists are read."""
    _check("headers" not in result, "single-value headers, which the target group does not read")
    return _alb(result, _multi(result, "multiValueHeaders"), method)


def edge(result: Result, method: str) -> ClientResponse:
    """docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html"""
    _check(isinstance(result["status"], str), "a status that is not a string")
    headers: list[tuple[str, str]] = []
    for name, items in result["headers"].items():
        _check(name not in _EDGE_REFUSES and not name.startswith(("x-amz-cf-", "x-edge-")), f"the header {name}")
        _check(name == name.lower() and all(item["key"].lower() == name for item in items), f"the key of {name}")
        headers += [(name, _text(item["value"])) for item in items]
    _check(result["bodyEncoding"] in ("text", "base64"), "an unknown bodyEncoding")
    body = _body(result["body"], is_base64=result["bodyEncoding"] == "base64")
    return _response(int(result["status"]), headers, body, method)


def _payload_v1(result: Result, method: str, *, default_type: str, remapped: frozenset[str]) -> ClientResponse:
    headers = [*_single(result, "headers"), *_multi(result, "multiValueHeaders")]
    return _plain(result, _remapped(headers, remapped), method, default_type=default_type)


def _payload_v2(result: Result, method: str, *, default_type: str | None, remapped: frozenset[str]) -> ClientResponse:
    """`multiValueHeaders` is not read."""
    headers = [*_single(result, "headers"), *(("set-cookie", _text(cookie)) for cookie in result.get("cookies", []))]
    return _plain(result, _remapped(headers, remapped), method, default_type=default_type)


def _alb(result: Result, headers: list[tuple[str, str]], method: str) -> ClientResponse:
    description = result.get("statusDescription", "")
    _check(description.startswith(f"{result['statusCode']} "), "a statusDescription without its code")
    return _plain(result, headers, method, default_type=None)


def _plain(result: Result, headers: list[tuple[str, str]], method: str, *, default_type: str | None) -> ClientResponse:
    status = result["statusCode"]
    _check(type(status) is int and type(result["isBase64Encoded"]) is bool, "a status or flag of the wrong type")
    body = _body(result["body"], is_base64=result["isBase64Encoded"])
    if default_type is not None and not values_of(headers, "content-type"):
        headers.append(("content-type", default_type))
    return _response(status, headers, body, method)


def _single(result: Result, key: str) -> list[tuple[str, str]]:
    return [(name.lower(), _text(value)) for name, value in result.get(key, {}).items()]


def _multi(result: Result, key: str) -> list[tuple[str, str]]:
    return [(name.lower(), _text(value)) for name, values in result.get(key, {}).items() for value in values]


def _remapped(headers: Iterable[tuple[str, str]], names: frozenset[str]) -> list[tuple[str, str]]:
    return [(f"x-amzn-remapped-{name}" if name in names else name, value) for name, value in headers]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"a header value that is not a string: {value!r}")
    return value


def _body(body: object, *, is_base64: bool) -> bytes:
    _check(isinstance(body, str), "a body that is not a string")
    return b64decode(str(body), validate=True) if is_base64 else str(body).encode("utf-8")


def _response(status: int, headers: Iterable[tuple[str, str]], body: bytes, method: str) -> ClientResponse:
    """The response on the wire: AWS has the whole body, and tells its length if the function did not."""
    pairs: Headers = tuple(headers)
    lengths = values_of(pairs, "content-length")
    _check(len(lengths) < 2, "two lengths")
    if method == "HEAD" or status in (204, 304):
        _check(body == b"", "a body where there cannot be one")
        return ClientResponse(status, pairs, b"")
    _check(lengths in ([], [str(len(body))]), "a length that is not the body's")
    return ClientResponse(status, pairs if lengths else (*pairs, ("content-length", str(len(body)))), body)


def _check(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Refused(otherwise)
