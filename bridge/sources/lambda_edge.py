"""Lambda@Edge, for viewer and origin requests; the function answers in place of the origin.

Events: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
Results: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html
Headers: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge._messages import CompleteResponse, EventRequest
from bridge.errors import MalformedEvent
from bridge.settings import Settings
from bridge.sources._address import client_address
from bridge.sources._event_fields import (
    decode_base64,
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
from bridge.sources._response import encode_response, reason_phrase

if TYPE_CHECKING:
    from bridge._types import Event, HeaderPairs, Result

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

# "Read-only headers": CloudFront sets them itself, and refuses a response that tries to.
_READ_ONLY = {
    "viewer-request": frozenset({"content-length", "host", "transfer-encoding", "via"}),
    "origin-request": frozenset(
        "accept-encoding content-length host if-modified-since if-none-match if-range if-unmodified-since "
        "transfer-encoding via".split()
    ),
}


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
    """Return status (a string), statusDescription, headers of key and value, body, bodyEncoding."""
    cf = _cf(event)
    event_type = lenient_object(cf, "config").get("eventType")
    encoded = encode_response(response, method=lenient_object(cf, "request").get("method"), settings=settings)
    headers: dict[str, list[dict[str, str]]] = {}
    for key, value in encoded.headers:
        if _allowed(key, event_type):
            headers.setdefault(key, []).append({"key": key, "value": value})
    return {
        "status": str(encoded.status_code),
        "statusDescription": reason_phrase(encoded.status_code),
        "headers": headers,
        "body": encoded.body,
        "bodyEncoding": "base64" if encoded.is_base64 else "text",
    }


def _cf(event: Event) -> Mapping[str, Any]:
    """Return the record. The application may have changed the event by now."""
    try:
        return lenient_object(event["Records"][0], "cf")
    except (LookupError, TypeError, AttributeError):
        return {}


def _allowed(header: str, event_type: object) -> bool:
    if header in _READ_ONLY["origin-request" if event_type == "origin-request" else "viewer-request"]:
        return False
    if header in _DISALLOWED or header.startswith(_DISALLOWED_PREFIXES):
        logger.warning("Response header %.200r was dropped: CloudFront refuses responses that set it.", header)
        return False
    return True
