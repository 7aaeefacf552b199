"""Application Load Balancers, with and without multi-value headers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

The target group's attribute `lambda.multi_value_headers.enabled` decides which of the two forms a request has, and
the response must have the same one: with the other, the client gets a 502.
"""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING

from bridge._messages import CompleteResponse, EventRequest
from bridge.settings import Settings
from bridge.sources._address import client_address, last_forwarded
from bridge.sources._event_fields import decode_body, event_line, is_object, join_query, path_field, text_field
from bridge.sources._path import place, unquoted
from bridge.sources._request import decode_headers, make_request
from bridge.sources._response import EncodedResponse, cookie_names, encode_response, joined, listed, reason_phrase

if TYPE_CHECKING:
    from bridge._types import Event, Result

__all__ = ["decode", "encode", "matches", "max_result", "name"]

logger = logging.getLogger("bridge")

name = "alb"

# In bytes of JSON. The page says 1 MB; with the larger meaning of that, nothing is refused that might pass.
max_result = 1024 * 1024

# Set-Cookie has so many spellings in upper and lower case.
_MAX_COOKIES = 2 ** sum(map(str.isalpha, "set-cookie"))


def matches(event: Event) -> bool:
    """Return whether the request context has `elb`: only a load balancer puts it there."""
    context = event.get("requestContext")
    return is_object(context) and context.get("elb") is not None


def decode(event: Event, settings: Settings) -> EventRequest:
    """Return the request as the client sent it. ALB decodes neither the path nor the query parameters."""
    path, root_path = place(path_field(event, "path"), settings)
    headers = decode_headers(event.get("multiValueHeaders"), event.get("headers"))
    return make_request(
        method=text_field(event, "httpMethod"),
        path=unquoted(path),
        raw_path=path,
        query_string=join_query(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")),
        headers=headers,
        body=decode_body(event),
        client=client_address(last_forwarded(headers)),
        root_path=unquoted(root_path),
    )


def encode(response: CompleteResponse, event: Event, settings: Settings) -> Result:
    """Return statusCode, statusDescription, headers in the request's own form, body, isBase64Encoded."""
    encoded = encode_response(response, method=event.get("httpMethod") or "", settings=settings, event=event)
    result: Result = {
        "statusCode": encoded.status_code,
        "statusDescription": f"{encoded.status_code} {reason_phrase(encoded.status_code)}",
        "body": encoded.body,
        "isBase64Encoded": encoded.is_base64,
    }
    if event.get("multiValueHeaders") is not None:
        result["multiValueHeaders"] = listed(encoded.headers, encoded.values)
    else:
        result["headers"] = _single_valued(encoded, event)
    return result


def _single_valued(encoded: EncodedResponse, event: Event) -> dict[str, str]:
    """Return one value for each name. Cookies cannot be joined: each gets its own spelling of "set-cookie"."""
    headers, cookies = joined(encoded.headers, encoded.values)
    spellings = ("".join(letters) for letters in product(*((c, c.upper()) if c.isalpha() else c for c in "set-cookie")))
    headers.update(zip(spellings, cookies, strict=False))
    if len(cookies) > 1:
        _warn_of_single_values(event)
    if len(cookies) > _MAX_COOKIES:
        lost = cookie_names(cookies[_MAX_COOKIES:])
        logger.warning(
            "%s: The response lost the Set-Cookie of %.200r. There is room for %d.",
            event_line(event),
            lost,
            _MAX_COOKIES,
        )
    return headers


_is_warned = False


def _warn_of_single_values(event: Event) -> None:
    """Warn once per environment: the target group is the cause, not the response."""
    global _is_warned
    if not _is_warned:
        _is_warned = True
        logger.warning(
            "%s: The response sets several cookies, but its load balancer asks for single-value headers: they are "
            "spelt 'set-cookie', 'set-cookiE' and so on. Enable multi-value headers on the target group.",
            event_line(event),
        )
