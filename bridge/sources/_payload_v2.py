"""Payload 2.0, as HTTP APIs and Function URLs send it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge._messages import CompleteResponse, EventRequest
from bridge.errors import MalformedEvent
from bridge.settings import Settings
from bridge.sources._address import client_address
from bridge.sources._event_fields import decode_body, is_array, is_object, text_field
from bridge.sources._request import decode_headers, header_value, make_request
from bridge.sources._response import encode_response, joined

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["domain_name", "encode", "is_payload_v2", "request"]


def is_payload_v2(event: Event) -> bool:
    """Return whether the event has payload 2.0. Authorizer events in that format also have a `routeArn`."""
    if event.get("version") != "2.0" or event.get("routeArn") is not None:
        return False
    context = event.get("requestContext")
    return is_object(context) and is_object(context.get("http"))


def domain_name(event: Event) -> str:
    """Return the host name, which tells an HTTP API from a Function URL; "" where the event has none."""
    domain = event["requestContext"].get("domainName")
    return domain if isinstance(domain, str) else ""


def request(event: Event, *, path: str, raw_path: str | None, root_path: str) -> EventRequest:
    """Return the request of an event. `path`: decoded, with `root_path`. `raw_path`: None if it is not known."""
    context = event["requestContext"]
    http = context["http"]
    headers = decode_headers(event.get("headers"))
    if event.get("cookies"):  # also in the headers of a Function URL
        headers = [pair for pair in headers if pair[0] != b"cookie"]
        headers.append((b"cookie", header_value(_cookie(event["cookies"]))))
    return make_request(
        method=text_field(http, "method"),
        path=path,
        raw_path=raw_path,
        query_string=event.get("rawQueryString"),
        headers=headers,
        body=decode_body(event),
        domain=context.get("domainName"),
        client=client_address(http.get("sourceIp")),
        protocol=http.get("protocol"),
        root_path=root_path,
    )


def _cookie(cookies: Any) -> str:
    try:
        if is_array(cookies):
            return "; ".join(cookies)
    except TypeError:
        pass
    raise MalformedEvent("Expected cookies to be a list of strings.")


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, headers, cookies, body, isBase64Encoded.

    Cookies are only in `cookies`: in `headers` too they would be sent twice.
    """
    try:
        method = event["requestContext"]["http"]["method"]
    except (LookupError, TypeError):  # the application may have changed the event by now
        method = None
    encoded = encode_response(response, method=method, settings=settings, event=event)
    headers, cookies = joined(encoded.headers, encoded.values)
    return {
        "statusCode": encoded.status_code,
        "headers": headers,
        "cookies": cookies,
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
