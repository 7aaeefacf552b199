"""The check of a decoded request: what two HTTP parsers could frame differently reaches neither application nor socket.

AWS's front ends refuse nearly all of this themselves. An event that somebody else wrote may contain it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge._http import CONTROLS, TOKEN
from bridge._messages import header_pairs, request_target
from bridge.errors import MalformedEvent

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import HeaderPairs

__all__ = ["check_framing"]

# The visible ASCII characters: a request-target has no others (RFC 9112, 3.2).
_VISIBLE = bytes(range(0x21, 0x7F))

# The longest part of a client's text in an error, in characters.
_MAX_SHOWN = 100


def check_framing(request: httpx.Request) -> None:
    """Check that `request` can be written as HTTP/1.1 in one way alone. Raises MalformedEvent, with 501 for CONNECT.

    The method and the names of headers are tokens (RFC 9110, 5.6.2), the target is in origin form, values have no
    control bytes, and there is one Host (RFC 9112, 3.2).
    """
    _check_method(request.method)
    _check_target(request_target(request), request.method)
    pairs = header_pairs(request)
    if not pairs:
        return
    names, values = zip(*pairs, strict=True)
    text = b"".join(values)
    # All of them in one go: nearly every request passes.
    if b"".join(names).translate(None, TOKEN) or b"" in names or len(text.translate(None, CONTROLS)) != len(text):
        raise MalformedEvent(_fault(pairs))
    if names.count(b"host") > 1:
        raise MalformedEvent(f"Expected one Host header, but got {names.count(b'host')}.")


def _check_method(method: str) -> None:
    if not method.isascii() or method.encode("ascii").translate(None, TOKEN) or not method:
        raise MalformedEvent(f"Expected a method that is a token, but got {method[:_MAX_SHOWN]!a}.")
    if method.upper() == "CONNECT":
        # RFC 9110, 9.3.6: content has no meaning in CONNECT, so that a server may take it for the next request.
        raise MalformedEvent("CONNECT asks for a tunnel, and no function can be one.", status_code=501)


def _check_target(target: bytes, method: str) -> None:
    is_path = target.startswith(b"/") and not target.translate(None, _VISIBLE)
    # RFC 9112, 3.2.4: the asterisk form is for OPTIONS alone.
    if not is_path and (method, target) != ("OPTIONS", b"*"):
        shown = target[:_MAX_SHOWN].decode("latin-1")
        raise MalformedEvent(f"Expected a path that starts with a slash, but got {shown!a}.")


def _fault(pairs: HeaderPairs) -> str:
    for name, value in pairs:
        shown = name[:_MAX_SHOWN].decode("latin-1")
        if not name or name.translate(None, TOKEN):
            return f"Expected the name of a header to be a token, but got {shown!a}."
        if len(value.translate(None, CONTROLS)) != len(value):
            return f"Expected the value of the header {shown!a} to have no control bytes."
    raise AssertionError("Expected a header with a fault, but all are well formed.")
