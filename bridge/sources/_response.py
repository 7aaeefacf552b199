"""Response headers and bodies as all sources encode them: whole responses, and the prelude of a streamed one."""

from __future__ import annotations

import logging
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from bridge._http import BODILESS, HOP_BY_HOP, has_controls, is_token
from bridge._messages import CompleteResponse, header_pairs
from bridge.errors import InvalidMessage
from bridge.settings import Settings
from bridge.sources._event_fields import event_line
from bridge.sources._media_types import encode_body

if TYPE_CHECKING:
    from bridge._types import Event, HeaderPairs, Result

__all__ = [
    "EncodedResponse",
    "cookie_names",
    "encode_prelude",
    "encode_response",
    "has_body",
    "joined",
    "listed",
    "reason_phrase",
]

logger = logging.getLogger("bridge")

# Longer names are not cached: they come from data, not from code.
_MAX_NAME_LENGTH = 64


if TYPE_CHECKING:
    # A list of names and values.
    TextPairs = list[tuple[str, str]]


class EncodedResponse:
    """A response in the terms of a Lambda result.

    `headers`: lower-case names and values, repeats kept. `values`: the same as a dict, with the last value of each.
    """

    __slots__ = ("body", "headers", "is_base64", "status_code", "values")

    def __init__(
        self, status_code: int, headers: TextPairs, values: dict[str, str], body: str, is_base64: bool
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.values = values
        self.body = body
        self.is_base64 = is_base64


def encode_response(
    response: CompleteResponse, *, method: object, settings: Settings, event: Event | None = None
) -> EncodedResponse:
    """Check a response and encode its body, for a source's encode(). `method`: of the request; HEAD has no body.

    `event`: names the request in log lines.

    Raise InvalidMessage for a status or a header that must not reach AWS.
    """
    status_code, body = _checked_status(response.status_code), response.body
    headers = _checked_headers(header_pairs(response))
    values = dict(headers)
    length = values.get("content-length")
    if method == "HEAD" or not has_body(status_code):
        if length is not None and (status_code < 200 or status_code == 204):
            headers, values = _without_length(headers)  # RFC 9110, 8.6: it must not be sent
        elif length is not None:
            # The length is that of the response to a GET (RFC 9110, 9.3.2): it stays.
            headers, values = _one_length(headers, None, event)
        return EncodedResponse(status_code, headers, values, "", False)
    if length is not None and (len(values) != len(headers) or length != str(len(body))):
        headers, values = _one_length(headers, len(body), event)
    text, is_base64 = encode_body(
        body, values.get("content-type"), values.get("content-encoding"), settings.text_media_types
    )
    return EncodedResponse(status_code, headers, values, text, is_base64)


def encode_prelude(status_code: int, headers: HeaderPairs) -> Result:
    """Return the head of a streamed response: statusCode, headers, cookies. Function URLs and REST APIs read it.

    There is no content-length: AWS frames the stream, and a length that does not match breaks it.
    https://docs.aws.amazon.com/lambda/latest/dg/response-streaming.html

    Raise InvalidMessage for a status or a header that must not reach AWS.
    """
    status_code = _checked_status(status_code)
    pairs = [pair for pair in _checked_headers(headers) if pair[0] != "content-length"]
    values, cookies = joined(pairs, dict(pairs))
    return {"statusCode": status_code, "headers": values, "cookies": cookies}


def _checked_status(status_code: object) -> int:
    """Return a status that HTTP can carry (RFC 9110, 15): a transport of the user's may return anything."""
    if isinstance(status_code, int) and 100 <= status_code <= 999:
        return status_code
    raise InvalidMessage(f"Expected the status of a response to be from 100 to 999, but got {status_code!r:.200}.")


def has_body(status_code: int) -> bool:
    """Return whether a response with this status can have a body."""
    return status_code >= 200 and status_code not in BODILESS


def reason_phrase(status_code: int) -> str:
    """Return the reason phrase of a status code (RFC 9110, 15); "" for a code that is not registered."""
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""


def _checked_headers(pairs: HeaderPairs) -> TextPairs:
    """Return lower-case text pairs without the hop-by-hop headers.

    A value is the text of which UTF-8 makes its bytes, or else latin-1. AWS does not document how it puts the text of a
    result on the wire; events show that it decodes requests as UTF-8.

    Raise InvalidMessage for a name that is not a token and for a value with control bytes: data that a client
    smuggled into the application's headers must not reach AWS.
    """
    if has_controls(b"".join([value for _, value in pairs])):
        faulty = next(name for name, value in pairs if has_controls(value)).lower().decode("latin-1")
        raise InvalidMessage(f"Expected the value of response header {faulty!r:.200} to have no control bytes.")
    headers: TextPairs = []
    for raw_name, raw_value in pairs:
        name = _checked_name(raw_name) if len(raw_name) <= _MAX_NAME_LENGTH else _checked_name.__wrapped__(raw_name)
        if name is None:
            continue
        try:
            value = raw_value.decode("utf-8")
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers.append((name, value))
    return headers


# An application has few header names, and they come from its code.
@lru_cache(maxsize=512)
def _checked_name(name: bytes) -> str | None:
    """Return `name` in lower case, or None for a hop-by-hop header."""
    if not is_token(name):
        raise InvalidMessage(f"Expected the name of a response header to be a token, but got {name!r:.200}.")
    lower = name.lower()
    return None if lower in HOP_BY_HOP else lower.decode("ascii")


def _without_length(headers: TextPairs) -> tuple[TextPairs, dict[str, str]]:
    headers = [pair for pair in headers if pair[0] != "content-length"]
    return headers, dict(headers)


def _one_length(headers: TextPairs, length: int | None, event: Event | None) -> tuple[TextPairs, dict[str, str]]:
    """Return `headers` with at most one content-length, and none that disagrees with the body's `length`."""
    lengths = [value for name, value in headers if name == "content-length"]
    agreed = lengths[0] if len(set(lengths)) == 1 and (length is None or lengths[0] == str(length)) else None
    if agreed is not None and len(lengths) == 1:
        return headers, dict(headers)
    if agreed is None:
        logger.warning(
            "%s: The application sent content-length %.200r with a body of %s bytes: the header was dropped.",
            "A response" if event is None else event_line(event),
            lengths,
            length,
        )
    rest = [pair for pair in headers if pair[0] != "content-length"]
    headers = rest if agreed is None else [*rest, ("content-length", agreed)]
    return headers, dict(headers)


def joined(headers: TextPairs, values: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return one value for each name, repeats joined by commas (RFC 9110, 5.3), and the values of set-cookie apart.

    Only those must never be joined (RFC 6265, 3). `values`: the headers as a dict.
    """
    if len(values) == len(headers) and "set-cookie" not in values:
        return values, []
    lists = listed(headers, values)
    cookies = lists.pop("set-cookie", [])
    return {name: ", ".join(items) for name, items in lists.items()}, cookies


def listed(headers: TextPairs, values: dict[str, str]) -> dict[str, list[str]]:
    """Return all values for each name, in order. `values`: the headers as a dict."""
    if len(values) == len(headers):
        return {name: [value] for name, value in headers}
    result: dict[str, list[str]] = {}
    for name, value in headers:
        result.setdefault(name, []).append(value)
    return result


def cookie_names(cookies: list[str]) -> str:
    """Return the names of `cookies` for a log line: their values may be secret."""
    return ", ".join([cookie.partition("=")[0] for cookie in cookies])
