"""A REST API with Lambda proxy integration.

It has the route of the setup, else the resources `/` and `/{proxy+}`, which does not match the root.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

The path stays encoded, query parameters are decoded. Semicolons split the query:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
X-HTTP-Method-Override changes the method, and is not passed on; nor is an Authorization that is a signature for AWS.
The API is regional: an edge-optimised one has a CloudFront distribution in front, with headers of its own.
Measured: of several slashes after the stage, `path` has one, and a greedy path parameter has no slash at its end.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused, values_of
from bridge.testing.services import Service
from bridge.testing.services._request import (
    Event,
    forwarded,
    payload_v1_context,
    payload_v1_fields,
    received,
    refuse_large,
)
from bridge.testing.services._response import (
    MAX_RESULT,
    InvalidBase64,
    InvalidResult,
    Pairs,
    body_of,
    check,
    cookies_of,
    json_size,
    multi,
    remapped,
    respond,
    single,
    status_of,
    text_error,
    typed,
    without,
)
from bridge.testing.setup import MatchedRoute, Setup

__all__ = ["SERVICES"]

# Documented: the methods that an API can have, 10 MB of body, and 10,240 bytes for the values of all headers. That the
# last is answered with 431 is assumed.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_MAX_BODY = 10 << 20
_MAX_HEADERS = 10_240

# Measured: what a REST API does not tell the function.
_NOT_PASSED = frozenset(
    [
        *("connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate"),
        *("server", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
    ]
)
_METHOD_OVERRIDE = "x-http-method-override"

# Documented: refused where they are not encoded. That it is a 400 is assumed.
_NOT_IN_QUERY = frozenset("|{}")

# Documented: reserved at the root of a custom domain. What they answer is not: assumed to be that there is no such API.
_RESERVED = frozenset({"/ping", "/sping"})

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: from a function, these
# reach the client with "x-amzn-remapped-" before their names, or not at all.
_REMAPPED = frozenset(
    [
        *("authorization", "connection", "content-md5", "date"),
        *("max-forwards", "server", "user-agent", "www-authenticate"),
    ]
)
_DROPPED = frozenset(
    ["expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"],
)
# Not documented: base64Encoded, which AWS's own tool (aws-sam-cli) reads first.
_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "base64Encoded", "isBase64Encoded"})
# https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html: what a prelude has,
# and that the delimiter after it is in the first 16 KB of a stream.
_MAX_PRELUDE = 16 << 10
_PRELUDE_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "cookies"})

_INTERNAL = "Internal server error"

# The stage of a custom domain, which no client sees.
_STAGE = "prod"


def event(request: ClientRequest, setup: Setup) -> Event:
    _check_request(request, setup)
    rest = setup.without_prefix(request.path)
    if rest is None:
        reason = f"The path {request.path!r} does not begin with {setup.prefix!r}, where the API is."
        raise Refused(_error(403, "Forbidden", "ForbiddenException", setup, reason))
    headers = [pair for pair in received(request, added(request, setup)) if _is_passed(*pair)]
    method = method_of(request)
    path = "/" + rest.lstrip("/")
    stage = setup.stage or _STAGE
    route = setup.route or _all_requests(path)
    parameters = {name: value.strip("/") for name, value in route.parameters.items()}
    resource = {"resourceId": "root12" if route.path == "/" else "abc123", "resourcePath": route.path}
    context = payload_v1_context(request, setup, method=method, stage=stage, request_id=setup.request_id)
    return {
        "resource": route.path,
        "path": setup.base_path + path,  # with the mapping of a custom domain, and without a stage
        "pathParameters": parameters or None,
        **payload_v1_fields(method, headers, request.query.replace(";", "&")),
        "requestContext": {**context, "path": request.path, **resource},
        **_body_fields(request, setup),
    }


def _all_requests(path: str) -> MatchedRoute:
    return MatchedRoute("ANY", "/") if path == "/" else MatchedRoute("ANY", "/{proxy+}", {"proxy": path[1:]})


def _is_passed(name: str, value: str) -> bool:
    is_signature = name.lower() == "authorization" and value.startswith("AWS4-HMAC-SHA256 ")
    return name.lower() not in _NOT_PASSED and name.lower() != _METHOD_OVERRIDE and not is_signature


def method_of(request: ClientRequest) -> str:
    """Return the method of a request, which a header can replace."""
    (*_, method) = request.method, *values_of(request.headers, _METHOD_OVERRIDE)
    return method


def _check_request(request: ClientRequest, setup: Setup) -> None:
    wrong = sorted(_NOT_IN_QUERY.intersection(request.query))
    if wrong:
        reason = f"A REST API accepts {' and '.join(wrong)} in a query only if it is encoded."
        raise Refused(_error(400, "Bad Request", "BadRequestException", setup, reason))
    if setup.domain and request.path in _RESERVED:
        reason = f"The path {request.path} of a custom domain is reserved for API Gateway itself."
        raise Refused(_error(403, "Forbidden", "ForbiddenException", setup, reason))
    method = method_of(request)
    if method not in _METHODS:
        reason = f"The API has no route for the method {method!r}: there are {', '.join(sorted(_METHODS))}."
        error = _error(403, "Missing Authentication Token", "MissingAuthenticationTokenException", setup, reason)
        raise Refused(error)
    size = sum(len(value) for _, value in request.headers)
    headers_error = _error(431, "Request Header Fields Too Large", "BadRequestException", setup, "")
    limits = [(size, _MAX_HEADERS, headers_error), (len(request.body), _MAX_BODY, too_large("", setup))]
    refuse_large(request, limits)


def _body_fields(request: ClientRequest, setup: Setup) -> Event:
    """Return the body in base64 if its type is one of the API's binary media types. Other bytes are replaced."""
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    if is_binary("".join(values_of(request.headers, "content-type")[-1:]), setup):
        return {"body": b64encode(request.body).decode("ascii"), "isBase64Encoded": True}
    return {"body": request.body.decode("utf-8", "replace"), "isBase64Encoded": False}


def is_binary(media_type: str, setup: Setup) -> bool:
    """Return whether a media type, with or without parameters, is one of the API's binary ones."""
    name = media_type.partition(";")[0].strip().lower()
    return "*/*" in setup.binary_media_types or name in {binary.lower() for binary in setup.binary_media_types}


def added(request: ClientRequest, setup: Setup) -> Headers:
    return forwarded(request, setup)


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Other keys are refused. A result without a statusCode is a 200.

    With the transfer mode STREAM a function that does not stream is an error: the page about it says 500.
    """
    reasons: list[str] = []
    try:
        check(json_size(result) <= MAX_RESULT, f"The result has more than {MAX_RESULT} bytes of JSON.")
        if setup.is_streamed:
            reason = "The API's response transfer mode is STREAM, and the function did not stream its result."
            return failure(reason, setup)
        if not isinstance(result, dict):
            raise InvalidResult(f"A REST API requires an object, but got {type(result).__name__}.")
        _check_keys(result, _KEYS)
        status = status_of(result) if "statusCode" in result else 200
        is_base64 = result.get("base64Encoded", result.get("isBase64Encoded")) is True
        if is_base64 and not _accepts_binary(request, setup):
            reasons.append("The request's first Accept type is not a binary media type, so the base64 itself is sent.")
            is_base64 = False
        body = body_of(result, is_base64=is_base64)
        return respond(status, _headers(result, setup, reasons), body, request, reasons)
    except InvalidBase64 as exc:
        return _error(500, _INTERNAL, "ApiConfigurationException", setup, str(exc))  # the type's name is assumed
    except InvalidResult as exc:
        return failure(str(exc), setup)


def _accepts_binary(request: ClientRequest, setup: Setup) -> bool:
    """Measured: only the first media type of Accept counts, and wildcards in it match nothing else."""
    first = ",".join(values_of(request.headers, "accept")).partition(",")[0]
    return is_binary(first, setup)


def head(prelude: Mapping[str, Any], request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return status and headers of a stream in the transfer mode STREAM. Everything in its prelude is optional."""
    reasons: list[str] = []
    try:
        check(json_size(prelude) <= _MAX_PRELUDE, f"The stream's prelude has more than {_MAX_PRELUDE} bytes of JSON.")
        _check_keys(prelude, _PRELUDE_KEYS)
        status = status_of(prelude) if "statusCode" in prelude else 200
        return ClientResponse(status, tuple(_headers(prelude, setup, reasons)), b"", tuple(reasons))
    except InvalidResult as exc:
        return failure(str(exc), setup)


def _check_keys(result: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(str(key) for key in set(result) - known)
    check(not unknown, f"A REST API accepts no key but {', '.join(sorted(known))}; the result has {unknown}.")


def _headers(result: Mapping[str, Any], setup: Setup, reasons: list[str]) -> Pairs:
    """Multi-value headers come first, with their spelling of a name, and a pair that is in both maps is sent once."""
    many = multi(result.get("multiValueHeaders"))
    spelling = {name.lower(): name for name, _ in many}
    one = [(spelling.get(name.lower(), name), value) for name, value in single(result.get("headers"))]
    pairs = [*many, *(pair for pair in one if pair not in many), *cookies_of(result)]
    headers = remapped(without(pairs, _DROPPED, reasons), _REMAPPED, reasons)
    own = [
        ("x-amzn-RequestId", setup.request_id),
        ("x-amz-apigw-id", setup.extended_id),
        ("X-Amzn-Trace-Id", setup.trace_id),
    ]
    return [*typed(headers, "application/json"), *own]


def failure(reason: str, setup: Setup) -> ClientResponse:
    """Return the error for a function that failed: in the transfer mode STREAM it is documented to be a 500."""
    status = 500 if setup.is_streamed else 502
    return _error(status, _INTERNAL, "InternalServerErrorException", setup, reason)


def too_large(reason: str, setup: Setup) -> ClientResponse:
    return _error(413, "Request Too Long", "RequestTooLargeException", setup, reason)


def _error(status: int, message: str, kind: str, setup: Setup, reason: str) -> ClientResponse:
    """Return an error. Measured: only the message of an internal one has a blank before it."""
    more = [("x-amzn-RequestId", setup.request_id), ("x-amzn-ErrorType", kind)]
    separators = (",", ": ") if message == _INTERNAL else (",", ":")
    text = json.dumps({"message": message}, separators=separators)
    return text_error(status, "application/json", text, reason=reason, more=more)


SERVICES = {
    "rest-api": Service(
        event=event,
        response=response,
        failure=failure,
        too_large=too_large,
        method_of=method_of,
        added=added,
        head=head,
        options=frozenset({"authorizer", "base_path_mapping", "binary_media_types", "domain", "stage", "stream"}),
    )
}
