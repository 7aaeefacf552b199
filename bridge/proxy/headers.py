"""The headers that go over the socket, in both directions, and their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._http import HOP_BY_HOP, VISIBLE, has_controls, is_other_spelling, is_token
from bridge._httpx import httpx

if TYPE_CHECKING:
    from bridge._types import HeaderPairs

__all__ = ["CONNECTION_HEADER", "checked_method", "checked_target", "framed", "request_headers", "response_headers"]

# The entries of the scope that describe the client's connection, as JSON. Only the parent can reach the child's
# socket, and it drops a client's copy.
CONNECTION_HEADER = b"x-bridge-connection"

# Headers that a proxy consumes itself (RFC 9110, 11.7), and trailers, which Lambda cannot carry.
_HOP_BY_HOP = HOP_BY_HOP | {b"proxy-authenticate", b"proxy-authorization", b"trailer"}

# Without them a message has no frame, so Connection cannot remove them.
_NEVER_NOMINATED = frozenset({b"content-length", b"host"})


def checked_method(method: str) -> str:
    """Return `method`, if it is a token (RFC 9110, 9.1), as it is. Raises LocalProtocolError.

    CONNECT is refused: it has no body and asks for a tunnel (RFC 9110, 9.3.6), so what follows its head would be read
    as requests of the client's own.
    """
    if not method.isascii() or not is_token(method.encode("ascii")):
        raise httpx.LocalProtocolError(f"The request has a method that is not a token: {method!r:.200}.")
    if method.upper() == "CONNECT":
        raise httpx.LocalProtocolError("The request has the method CONNECT, and a tunnel is not possible.")
    return method


def checked_target(method: str, target: bytes) -> bytes:
    """Return `target`, if it is in origin form, or * for OPTIONS (RFC 9112, 3.2). Raises LocalProtocolError."""
    if target.translate(None, VISIBLE):
        raise httpx.LocalProtocolError(f"The request has a target with blanks or control bytes: {target!r:.200}.")
    if not target.startswith(b"/") and (method, target) != ("OPTIONS", b"*"):
        raise httpx.LocalProtocolError(f"Expected a target that starts with a slash, but got {target!r:.200}.")
    return target


def request_headers(pairs: HeaderPairs, *, host: bytes) -> HeaderPairs:
    """Return the request's end-to-end headers with exactly one Host, the client's.

    `host`: the Host for a request that has none, as HTTP/1.0 clients send it. A client's Connection header removes
    nothing: it is about the client's hop, which ended at AWS's front end, and that added headers after it (RFC 9110,
    7.6.1). Other spellings of the headers that frame a request, or that it has set, are removed.

    Raises LocalProtocolError for invalid headers: names that are not tokens, values with control bytes, several Hosts.
    """
    try:
        headers = _end_to_end(pairs)
    except ValueError as exc:
        raise httpx.LocalProtocolError(f"The request has {exc}.") from None
    headers = [pair for pair in headers if not is_other_spelling(pair[0])]
    hosts = sum([name == b"host" for name, _ in headers])
    if hosts > 1:
        raise httpx.LocalProtocolError(f"The request has {hosts} Host headers.")
    return headers if hosts else [(b"host", host), *headers]


def framed(headers: HeaderPairs, length: int | None) -> HeaderPairs:
    """Return `headers` with the one that frames the body.

    `length`: of the body, in bytes. If it is None, unknown, the body goes out in chunks, unless the headers announce
    its length. Raises LocalProtocolError for a content-length that is not the body's.
    """
    announced = [value for name, value in headers if name == b"content-length"]
    if not announced:
        if length == 0:
            return headers
        return [*headers, (b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length)]
    if len(announced) > 1 or (length is not None and announced[0] != b"%d" % length):
        raise httpx.LocalProtocolError(f"The request has content-length {announced!r:.100} for {length} bytes.")
    return headers


def response_headers(pairs: HeaderPairs) -> HeaderPairs:
    """Return a response's end-to-end headers. Raises RemoteProtocolError for a value with control bytes.

    What the server's Connection header names is not passed on. Neither is a length beside chunks, which win (RFC 9112,
    6.3).
    """
    try:
        headers = _end_to_end(pairs)
    except ValueError as exc:
        raise httpx.RemoteProtocolError(f"The response has {exc}.") from None
    if len(headers) == len(pairs):
        return headers
    removed = _nominated(pairs) | ({b"content-length"} if is_chunked(pairs) else set())
    return [pair for pair in headers if pair[0] not in removed] if removed else headers


def is_chunked(pairs: HeaderPairs) -> bool:
    """Return whether the body comes in chunks."""
    return any(name.lower() == b"transfer-encoding" for name, _ in pairs)


def _end_to_end(pairs: HeaderPairs) -> HeaderPairs:
    """Return `pairs` without the hop-by-hop headers.

    Raises ValueError, whose text names the fault.
    """
    headers: HeaderPairs = []
    for raw_name, value in pairs:
        if not is_token(raw_name):
            raise ValueError(f"a header name that is not a token: {raw_name!r:.200}")
        name = raw_name.lower()
        if has_controls(value):
            raise ValueError(f"control bytes in the value of {name!r:.200}")
        if name not in _HOP_BY_HOP:
            headers.append((name, value.strip(b" \t")))
    return headers


def _nominated(pairs: HeaderPairs) -> frozenset[bytes]:
    """Return the names of the headers that Connection declares to be about this connection alone."""
    values = [value for name, value in pairs if name.lower() == b"connection"]
    return frozenset(item.strip().lower() for value in values for item in value.split(b",")) - _NEVER_NOMINATED
