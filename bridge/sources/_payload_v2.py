"""Payload 2.0, as HTTP APIs and Function URLs send it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from typing import Any

from bridge._messages import EventRequest
from bridge._types import Event
from bridge.errors import MalformedEvent
from bridge.sources._address import client_address
from bridge.sources._path import requoted_query
from bridge.sources._request import decode_body, decode_headers, make_request
from bridge.sources._response import EncodedResponse, joined, without_cookies

__all__ = ["domain_name", "is_payload_v2", "request", "response"]


def is_payload_v2(event: Event) -> bool:
    """An authorizer event in format 2.0 looks the same but for its `routeArn`."""
    if event.get("version") != "2.0" or "routeArn" in event:
        return False
    context = event.get("requestContext")
    return isinstance(context, dict) and isinstance(context.get("http"), dict)


def domain_name(event: Event) -> str:
    """The host name by which an HTTP API is told from a Function URL; "" where the event does not say."""
    domain = event["requestContext"].get("domainName")
    return domain if isinstance(domain, str) else ""


def request(event: Event, *, path: str, root_path: str = "") -> EventRequest:
    """`path`: percent-encoded, with `root_path`; everything else is read from the event."""
    context = event["requestContext"]
    http = context["http"]
    headers = decode_headers(event.get("headers"))
    cookies = event.get("cookies")
    if cookies:
        if any(name == b"cookie" for name, _ in headers):
            headers = [pair for pair in headers if pair[0] != b"cookie"]
        headers.append((b"cookie", _cookie(cookies)))
    query = event.get("rawQueryString")
    return make_request(
        method=http.get("method"),
        target=f"{path}?{requoted_query(query)}" if query else path,
        headers=headers,
        body=decode_body(event),
        domain=context.get("domainName"),
        client=client_address(http.get("sourceIp")),
        protocol=http.get("protocol"),
        root_path=root_path,
    )


def _cookie(cookies: object) -> bytes:
    try:
        return "; ".join(cookies).encode("utf-8", "replace")  # type: ignore[call-overload, no-any-return]
    except TypeError:
        raise MalformedEvent(f"Expected cookies to be a list of strings, but got {cookies!r:.200}.") from None


def response(encoded: EncodedResponse) -> dict[str, Any]:
    """Cookies in `cookies` alone: repeated in `headers` they would reach the client twice."""
    headers, cookies = without_cookies(encoded.headers)
    return {
        "statusCode": encoded.status_code,
        "headers": joined(headers),
        "cookies": cookies,
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
