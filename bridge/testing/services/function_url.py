"""A Function URL: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

Path and query stay as the client sent them. Measured: cookies have a field of their own, and stay in the headers too;
there are headers about the TLS connection; Connection is dropped; without AWS_IAM the account is "anonymous".
Documented are the usual seven methods. Assumed: other ones, except CONNECT, and headers of any size are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused
from bridge.testing.services import Service
from bridge.testing.services._request import Event, forwarded, joined, payload_v2, received
from bridge.testing.services._response import (
    MAX_RESULT,
    InvalidResult,
    Pairs,
    body_of,
    check,
    cookies_of,
    json_size,
    lowered,
    remapped,
    respond,
    single,
    status_of,
    text_error,
    text_of,
    typed,
)
from bridge.testing.setup import REGION, Setup

__all__ = ["SERVICES"]

_DOMAIN = f"a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6.lambda-url.{REGION}.on.aws"

# Not documented. Users see it of WWW-Authenticate, and of the Content-Length of a stream:
# https://github.com/cargo-lambda/cargo-lambda/issues/862
_REMAPPED = frozenset({"www-authenticate"})


def event(request: ClientRequest, setup: Setup) -> Event:
    if request.method == "CONNECT":  # no source for it: a gateway has no use for one
        raise Refused(_error(400, "Bad Request", setup, "A Function URL accepts no CONNECT."))
    headers = joined(pair for pair in received(request, added(request, setup)) if pair[0].lower() != "connection")
    account = {} if setup.authorizer is not None else {"accountId": "anonymous"}
    context = {**account, "apiId": _DOMAIN.partition(".")[0], "domainName": _DOMAIN}
    context["domainPrefix"] = _DOMAIN.partition(".")[0]
    return payload_v2(request, setup, headers, path=request.path, decoded_path=unquote(request.path), context=context)


def added(request: ClientRequest, setup: Setup) -> Headers:
    tls = (("x-amzn-tls-version", "TLSv1.3"), ("x-amzn-tls-cipher-suite", "TLS_AES_128_GCM_SHA256"))
    return forwarded(request, setup) + tls


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Measured: a result without a statusCode is a body of JSON, and a string goes out unquoted.

    In the invoke mode RESPONSE_STREAM a whole result is the body, whatever it has (measured). Assumed: a result that is
    not JSON is the body, as it is of an HTTP API, and a body that is not the base64 that it should be is an error.
    """
    reasons: list[str] = []
    try:
        check(json_size(result) <= MAX_RESULT, f"The result has more than {MAX_RESULT} bytes of JSON.")
        if setup.is_streamed:
            reasons.append("The function did not stream its result, so all of it is the body.")
            return respond(200, _headers([], setup), _json_body(result), request, reasons)
        if not isinstance(result, dict) or "statusCode" not in result:
            return respond(200, _headers([], setup), _json_body(result), request, reasons)
        if result.get("multiValueHeaders"):
            reasons.append("The service does not read multiValueHeaders.")
        pairs = lowered([*single(result.get("headers")), *cookies_of(result)])
        headers = _headers(remapped(pairs, _REMAPPED, reasons), setup)
        return respond(status_of(result), headers, _body(result), request, reasons)
    except InvalidResult as exc:
        return failure(str(exc), setup)


def head(prelude: Mapping[str, Any], request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return status and headers of a stream. Everything in its prelude is optional."""
    reasons: list[str] = []
    try:
        status = status_of(prelude) if "statusCode" in prelude else 200
        pairs = lowered([*single(prelude.get("headers")), *cookies_of(prelude)])
        lengths = frozenset({"content-length"})
        headers = remapped(pairs, _REMAPPED | lengths, reasons)
        return ClientResponse(status, tuple(_headers(headers, setup)), b"", tuple(reasons))
    except InvalidResult as exc:
        return failure(str(exc), setup)


def _headers(headers: Pairs, setup: Setup) -> Pairs:
    """Without a content-type it is JSON, whatever else the result has."""
    own = [("x-amzn-requestid", setup.request_id), ("x-amzn-trace-id", setup.trace_id)]
    return [*typed(headers, "application/json"), *own]


def _body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    return _json_body(body) if isinstance(body, dict | list) else body_of(result)


def _json_body(value: object) -> bytes:
    if isinstance(value, str | bytes):
        return text_of(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def failure(reason: str, setup: Setup) -> ClientResponse:
    return _error(502, "Internal Server Error", setup, reason)


def too_large(reason: str, setup: Setup) -> ClientResponse:
    return _error(413, "Request Entity Too Large", setup, reason)  # its body is not documented


def _error(status: int, text: str, setup: Setup, reason: str) -> ClientResponse:
    more = [("x-amzn-requestid", setup.request_id)]
    return text_error(status, "text/plain;charset=UTF-8", text, reason=reason, more=more)


SERVICES = {
    "function-url": Service(
        event=event,
        response=response,
        failure=failure,
        too_large=too_large,
        added=added,
        head=head,
        options=frozenset({"authorizer", "stream"}),
    )
}
