"""API Gateway's proxy payload 1.0, as REST APIs send it and HTTP APIs can be told to.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from bridge._messages import CompleteResponse, EventRequest
from bridge.settings import Settings
from bridge.sources._address import client_address
from bridge.sources._event_fields import decode_body, is_object, join_query, object_field, text_field, utf8
from bridge.sources._request import decode_headers, make_request
from bridge.sources._response import encode_response, listed

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["encode", "is_payload_v1", "request"]


# RFC 3986, 2.3: quote_plus does not change these. To check it first takes a quarter of the time.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"


def is_payload_v1(event: Event) -> bool:
    """Return whether the event has payload 1.0. `resource` and even `requestContext` may be missing.

    Bedrock agent events have no path. Authorizer events have a `methodArn` or a `routeArn`,
    WebSocket events a `connectionId`.
    """
    get = event.get
    if "httpMethod" not in event or not (get("methodArn") is get("routeArn") is get("actionGroup") is None):
        return False
    context = get("requestContext")
    if not is_object(context):
        return "path" in event
    return context.get("elb") is None and context.get("connectionId") is None


def request(event: Event, *, path: str, raw_path: str, root_path: str) -> EventRequest:
    """Return the request of an event. `path`: decoded, with `root_path`. `raw_path`: the same as the client sent it."""
    context = object_field(event, "requestContext")
    return make_request(
        method=text_field(event, "httpMethod"),
        path=path,
        raw_path=raw_path,
        query_string=_query(event),
        headers=decode_headers(event.get("multiValueHeaders"), event.get("headers")),
        body=decode_body(event),
        domain=context.get("domainName"),
        client=client_address(object_field(context, "identity").get("sourceIp")),
        protocol=context.get("protocol"),
        root_path=root_path,
    )


def _query(event: Event) -> str:
    """Encode names and values again, which AWS decoded: `a=%20` and `a=+` both come out as `a=+`."""
    multi, single = event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")
    return join_query(multi, single, _quote) if multi or single else ""


def _quote(text: str) -> str:
    raw = utf8(text)
    return quote_plus(raw) if raw.translate(None, _UNRESERVED) else text


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, multiValueHeaders, body, isBase64Encoded.

    All headers are in `multiValueHeaders` and none in `headers`: API Gateway merges the two, and would send both.
    """
    encoded = encode_response(response, method=event.get("httpMethod"), settings=settings, event=event)
    return {
        "statusCode": encoded.status_code,
        "multiValueHeaders": listed(encoded.headers, encoded.values),
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
