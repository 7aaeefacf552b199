"""Lambda@Edge, for viewer and origin requests; the function answers in place of the origin.

Events: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
Results: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html
Headers: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
Sizes: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-lambda-at-edge
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge._messages import CompleteResponse, EventRequest
from bridge.errors import InvalidMessage, MalformedEvent, ResultTooLarge
from bridge.settings import Settings
from bridge.sources._address import client_address
from bridge.sources._event_fields import (
    decode_base64,
    event_line,
    is_array,
    is_object,
    lenient_object,
    object_field,
    path_field,
    text_field,
    utf8,
)
from bridge.sources._path import place, unquoted
from bridge.sources._request import decode_headers, first_header, make_request
from bridge.sources._response import encode_response, has_body, reason_phrase

if TYPE_CHECKING:
    from bridge._types import Event, HeaderPairs, Result
    from bridge.sources._response import TextPairs

__all__ = ["decode", "encode", "matches", "name"]

logger = logging.getLogger("bridge")

name = "lambda-edge"

# CloudFront answers 502 to the viewer for a response that sets one of these ("Disallowed headers").
_DISALLOWED = frozenset(
    "connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection trailer upgrade "
    "x-accel-buffering x-accel-charset x-accel-limit-rate x-accel-redirect x-amzn-auth x-amzn-cf-billing "
    "x-amzn-cf-id x-amzn-cf-xff x-amzn-errortype x-amzn-fle-profile x-amzn-header-count x-amzn-header-order "
    "x-amzn-lambda-integration-tag x-amzn-requestid x-cache x-forwarded-proto x-real-ip".split()
)
_DISALLOWED_PREFIXES = ("x-amz-cf-", "x-edge-")

# "Read-only headers". The page lists them by event, and does not say whether a generated response may set them: they
# are dropped, because a response that CloudFront refuses is a 502.
_READ_ONLY = {
    "viewer-request": frozenset({"content-length", "host", "transfer-encoding", "via"}),
    "origin-request": frozenset(
        "accept-encoding content-length if-modified-since if-none-match if-range if-unmodified-since "
        "transfer-encoding via".split()
    ),
}

# The largest generated response, in bytes. CloudFront counts "headers and body", and names the limit of origin requests
# as 1048576 in its log. Whether a body in base64 counts with its encoding is not documented: here it does not.
_MAX_SIZE = {"viewer-request": 40 * 1024, "origin-request": 1024 * 1024}

_STATUSES = range(200, 600)


def matches(event: Event) -> bool:
    """Return whether the event is a CloudFront record with a request and no response, which response triggers have."""
    records = event.get("Records")
    if not is_array(records) or not records or not is_object(records[0]):
        return False
    cf = records[0].get("cf")
    return is_object(cf) and is_object(cf.get("request")) and cf.get("response") is None


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as CloudFront received it."""
    cf = event["Records"][0]["cf"]
    request = cf["request"]
    headers = _headers(object_field(request, "headers"))
    path, root_path = place(path_field(request, "uri"), settings)
    config = object_field(cf, "config")
    return make_request(
        method=text_field(request, "method"),
        path=unquoted(path),
        raw_path=path,
        query_string=text_field(request, "querystring"),
        headers=headers,
        body=_body(object_field(request, "body")),
        scheme=_scheme(headers, config),
        is_forwarded=False,
        domain=text_field(config, "distributionDomainName"),
        client=client_address(request.get("clientIp")),
        protocol=f"HTTP/{request['httpVersion']}" if request.get("httpVersion") else None,
        root_path=unquoted(root_path),
    )


def _scheme(headers: HeaderPairs, config: Mapping[str, Any]) -> str:
    """Return the scheme that CloudFront tells the origin. In a viewer request that header is the client's own.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-at-edge-function-restrictions.html
    """
    is_cloudfronts = config.get("eventType") == "origin-request"
    return "http" if is_cloudfronts and first_header(headers, b"cloudfront-forwarded-proto") == "http" else "https"


def _headers(headers: Mapping[str, Any]) -> HeaderPairs:
    return decode_headers({name: _values(items) for name, items in headers.items()})


def _values(items: object) -> list[object]:
    if items is None:
        return []
    if not is_array(items) or not all(is_object(item) for item in items):
        raise MalformedEvent(f"Expected a header to be a list of objects, but got {type(items).__name__}.")
    return [item.get("value") for item in items]


def _body(body: Mapping[str, Any]) -> bytes:
    data = text_field(body, "data")
    if body.get("inputTruncated"):
        raise MalformedEvent(
            "CloudFront cut the request body short (inputTruncated): it is too large.", status_code=413
        )
    if not data:
        return b""
    return decode_base64(data) if body.get("encoding") == "base64" else utf8(data)


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return status (a string), statusDescription, headers of key and value, body, bodyEncoding.

    There is no body at all in a response that cannot have one: CloudFront refuses a 204 with a value for it.

    Raise InvalidMessage for a status that CloudFront refuses, and ResultTooLarge.
    """
    cf = _cf(event)
    event_type = lenient_object(cf, "config").get("eventType")
    encoded = encode_response(
        response, method=lenient_object(cf, "request").get("method"), settings=settings, event=event
    )
    status = encoded.status_code
    if status not in _STATUSES:
        raise InvalidMessage(f"Expected a status from 200 to 599, which CloudFront accepts, but got {status}.")
    pairs = _allowed(encoded.headers, event_type, event)
    _check_size(pairs, len(response.body) if encoded.body else 0, event_type)
    headers: dict[str, list[dict[str, str]]] = {}
    for key, value in pairs:
        headers.setdefault(key, []).append({"key": key, "value": value})
    result = {"status": str(status), "statusDescription": reason_phrase(status), "headers": headers}
    if not has_body(status):
        return result
    return {**result, "body": encoded.body, "bodyEncoding": "base64" if encoded.is_base64 else "text"}


def _cf(event: Event) -> Mapping[str, Any]:
    """Return the record. The application may have changed the event by now."""
    try:
        return lenient_object(event["Records"][0], "cf")
    except (LookupError, TypeError, AttributeError):
        return {}


def _allowed(headers: TextPairs, event_type: object, event: Event) -> TextPairs:
    """Return `headers` without those for which CloudFront would refuse the response, which are logged.

    Every server sends a content-length: CloudFront sets it again, and it is not logged.
    """
    read_only = _READ_ONLY["origin-request" if event_type == "origin-request" else "viewer-request"]
    kept: TextPairs = []
    dropped: list[str] = []
    for pair in headers:
        name = pair[0]
        if name in read_only or name in _DISALLOWED or name.startswith(_DISALLOWED_PREFIXES):
            dropped.append(name)
        else:
            kept.append(pair)
    names = ", ".join(name for name in dropped if name != "content-length")
    if names:
        logger.warning(
            "%s: Headers were dropped, because CloudFront does not accept them: %.200r.", event_line(event), names
        )
    return kept


def _check_size(headers: TextPairs, body_size: int, event_type: object) -> None:
    """Raise ResultTooLarge for a response that CloudFront refuses. In an event without its type, the larger limit."""
    limit = _MAX_SIZE["viewer-request" if event_type == "viewer-request" else "origin-request"]
    size = body_size + sum(len(name) + len(value.encode("utf-8")) for name, value in headers)
    if size > limit:
        raise ResultTooLarge(
            f"The response has {size} bytes with its headers, and CloudFront takes {limit} at most. Send less."
        )
