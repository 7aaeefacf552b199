"""What the response side of several services has in common: from a function's result to what the client gets.

Functions here raise InvalidResult for what no service understands; each service says what its client gets instead.
Assumed of all: header values are sent in UTF-8, as requests are read.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from bridge.testing.messages import ClientRequest, ClientResponse, values_of

__all__ = [
    "HOP_BY_HOP",
    "MAX_RESULT",
    "InvalidBase64",
    "InvalidResult",
    "Pairs",
    "body_of",
    "check",
    "cookies_of",
    "json_size",
    "lowered",
    "multi",
    "name_of",
    "remapped",
    "respond",
    "single",
    "status_of",
    "text_error",
    "text_of",
    "typed",
    "value_of",
    "without",
]

Pairs = list[tuple[str, str]]
Reasons = list[str]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, as Lambda's error message spells it out.
MAX_RESULT = 6_291_556


# RFC 9110, 7.6.1: about the connection, which ends at the service.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


class InvalidResult(ValueError):
    """Raised for a result that the service does not understand. Its text is the reason."""


class InvalidBase64(InvalidResult):
    """Raised for a body that is not base64, and should be."""


def check(condition: bool, otherwise: str) -> None:
    if not condition:
        raise InvalidResult(otherwise)


def json_size(result: object) -> int:
    """Return the size of a result in bytes, as Lambda measures it: JSON in UTF-8."""
    if isinstance(result, bytes):
        return len(result)
    return len(json.dumps(result, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def text_of(result: object) -> bytes:
    """Return a result that is the body itself: text as it is, and all else as JSON. `bytes` are not JSON."""
    if isinstance(result, bytes):
        return result
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def single(headers: object) -> Pairs:
    """Return the pairs of a map from names to values, with the names as they are written. null is no headers."""
    return [(name_of(name), value_of(name, value)) for name, value in _mapping("headers", headers).items()]


def multi(headers: object) -> Pairs:
    """Return the pairs of a map from names to lists of values, as `single` does."""
    pairs: Pairs = []
    for name, values in _mapping("multiValueHeaders", headers).items():
        check(isinstance(values, list), f"Expected a list of values for the header {name!r}, but got {values!r}.")
        pairs += [(name_of(name), value_of(name, value)) for value in values]
    return pairs


def _mapping(field: str, value: object) -> Mapping[Any, Any]:
    check(value is None or isinstance(value, dict), f"Expected an object under {field!r}, but got {value!r}.")
    return value if isinstance(value, dict) else {}


def name_of(name: str) -> str:
    """Return the name of a header. Raises InvalidResult for what is not one (RFC 9110, 5.1)."""
    is_token = name.isascii() and name != "" and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
    check(is_token, f"Expected the name of a header, but got {name!r}.")
    return name


def value_of(name: str, value: object) -> str:
    """Return a value on the wire, one character for each byte. Numbers and booleans are assumed to be sent as JSON."""
    if isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise InvalidResult(f"Expected a string as the value of the header {name!r}, but got {value!r}.")
    wrong = any(char in value for char in "\r\n\0")
    check(not wrong, f"The value of the header {name!r} has a line break or a NUL: {value!r}.")
    return value.encode("utf-8", "replace").decode("latin-1")


def cookies_of(result: Mapping[str, Any]) -> Pairs:
    cookies = result.get("cookies")
    check(cookies is None or isinstance(cookies, list), f"Expected a list under 'cookies', but got {cookies!r}.")
    return [("set-cookie", value_of("set-cookie", cookie)) for cookie in cookies or []]


def remapped(headers: Pairs, names: frozenset[str], reasons: Reasons) -> Pairs:
    """Return `headers` with another name for those in `names`: the original one after a prefix (measured)."""
    new = [(f"x-amzn-Remapped-{name}" if name.lower() in names else name, value) for name, value in headers]
    changed = [(before, after) for (before, _), (after, _) in zip(headers, new, strict=True) if before != after]
    reasons += [f"The service renames the header {before} to {after}." for before, after in changed]
    return new


def without(headers: Pairs, names: frozenset[str], reasons: Reasons) -> Pairs:
    """Return `headers` without those in `names`."""
    reasons += [f"The service does not pass on the header {name}." for name, _ in headers if name.lower() in names]
    return [pair for pair in headers if pair[0].lower() not in names]


def lowered(headers: Pairs) -> Pairs:
    """Return `headers` with names in lower case, as every service but REST APIs sends them."""
    return [(name.lower(), value) for name, value in headers]


def typed(headers: Pairs, default: str) -> Pairs:
    """Return `headers` with the content type that the service adds to a response that has none."""
    return headers if values_of(headers, "content-type") else [*headers, ("content-type", default)]


def status_of(result: Mapping[str, Any], key: str = "statusCode") -> int:
    """Return the status. A text of digits is one too (measured). Assumed: no service accepts one above 599."""
    status = result.get(key)
    if isinstance(status, str) and len(status) == 3 and status.isascii() and status.isdigit():
        status = int(status)
    is_status = type(status) is int and 100 <= status <= 599
    check(is_status, f"Expected a status from 100 to 599 under {key!r}, but got {result.get(key)!r}.")
    assert isinstance(status, int)
    return status


def body_of(result: Mapping[str, Any], *, is_base64: bool | None = None) -> bytes:
    """Return the body. null and a missing one are empty. Not documented: other values are assumed to be invalid."""
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidResult(f"Expected a string under 'body', but got {type(body).__name__}: {body!r:.100}.")
    if not (result.get("isBase64Encoded") is True if is_base64 is None else is_base64):
        return body.encode("utf-8", "replace")
    try:
        return b64decode(body, validate=True)
    except ValueError:
        raise InvalidBase64("The body is not the base64 that isBase64Encoded says it is.") from None


def respond(
    status: int, headers: Iterable[tuple[str, str]], body: bytes, request: ClientRequest, reasons: Reasons
) -> ClientResponse:
    """Return the response on the wire: AWS has the whole body, and tells its length."""
    pairs = list(headers)
    lengths = values_of(pairs, "content-length")
    if request.method == "HEAD" or status in (204, 304) or status < 200:
        if body:
            reasons.append("A response to this request has no body: the service does not send it.")
        return ClientResponse(status, tuple(pairs), b"", tuple(reasons))
    if lengths != [str(len(body))]:
        if lengths:
            reasons.append(f"The service sends the body's length, {len(body)}, in place of {', '.join(lengths)}.")
        pairs = [pair for pair in pairs if pair[0].lower() != "content-length"]
        pairs.append(("content-length", str(len(body))))
    return ClientResponse(status, tuple(pairs), body, tuple(reasons))


def text_error(
    status: int, content_type: str, text: str, *, reason: str = "", more: Pairs | None = None
) -> ClientResponse:
    """Return an error of the service's own."""
    body = text.encode("utf-8")
    headers = (*(more or ()), ("content-type", content_type), ("content-length", str(len(body))))
    return ClientResponse(status, headers, body, (reason,) if reason else ())
