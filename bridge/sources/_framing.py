"""The check of a decoded request: what two HTTP parsers could frame differently reaches neither application nor socket.

AWS's front ends refuse nearly all of this themselves. An event that did not come from a front end may contain it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._http import TOKEN, VISIBLE, has_controls, is_token
from bridge._messages import header_pairs, request_target
from bridge.errors import MalformedEvent

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import HeaderPairs

__all__ = ["check_framing", "check_headers", "check_line"]

# Nearly every request has one of these.
_USUAL_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

# The longest part of a client's text in an error, in characters.
_MAX_SHOWN = 100


def check_framing(request: httpx.Request) -> None:
    """Check that `request` can be written as HTTP/1.1 in one way alone. Raises MalformedEvent, with 501 for CONNECT."""
    pairs = header_pairs(request)
    check_headers(pairs, dict(pairs))
    check_line(request.method, request_target(request))


def check_line(method: str, target: bytes) -> None:
    """Check that the method is a token (RFC 9110, 5.6.2) and the target in origin form. Raises MalformedEvent."""
    if method not in _USUAL_METHODS:
        _check_method(method)
    is_path = target.startswith(b"/") and not target.translate(None, VISIBLE)
    # RFC 9112, 3.2.4: the asterisk form is for OPTIONS alone.
    if not is_path and (method, target) != ("OPTIONS", b"*"):
        shown = target[:_MAX_SHOWN].decode("latin-1")
        raise MalformedEvent(f"Expected a path that starts with a slash, but got {shown!a}.")


def _check_method(method: str) -> None:
    if not method.isascii() or not is_token(method.encode("ascii")):
        raise MalformedEvent(f"Expected a method that is a token, but got {method[:_MAX_SHOWN]!a}.")
    if method.upper() == "CONNECT":
        # RFC 9110, 9.3.6: content has no meaning in CONNECT, so that a server may take it for the next request.
        raise MalformedEvent("CONNECT asks for a tunnel, and no function can be one.", status_code=501)


def check_headers(pairs: HeaderPairs, values: dict[bytes, bytes]) -> None:
    """Check that names are tokens, that values have no control bytes, and that there is one Host (RFC 9112, 3.2).

    `values`: the pairs as a dict. Raises MalformedEvent.
    """
    has_repeats = len(values) != len(pairs)
    # All of them together: nearly every request passes.
    text = b"".join([value for _, value in pairs] if has_repeats else values.values())
    if b"".join(values).translate(None, TOKEN) or b"" in values or has_controls(text):
        raise MalformedEvent(_fault(pairs))
    hosts = sum([name == b"host" for name, _ in pairs]) if has_repeats else 1
    if hosts > 1:
        raise MalformedEvent(f"Expected one Host header, but got {hosts}.")


def _fault(pairs: HeaderPairs) -> str:
    for name, value in pairs:
        shown = name[:_MAX_SHOWN].decode("latin-1")
        if not is_token(name):
            return f"Expected the name of a header to be a token, but got {shown!a}."
        if has_controls(value):
            return f"Expected the value of the header {shown!a} to have no control bytes."
    raise AssertionError("Expected a header with a fault, but all are well formed.")
