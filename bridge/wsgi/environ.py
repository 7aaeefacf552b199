"""The environ of a WSGI application, made from an ASGI scope.

https://peps.python.org/pep-3333/#environ-variables
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from bridge._http import NameCache

if TYPE_CHECKING:
    from bridge._types import HeaderPairs, Scope

__all__ = ["build_environ"]

# The names that have no HTTP_ in front. The length is that of the body. The body arrives whole, so its transfer has
# no coding.
_PLAIN = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH", "transfer-encoding": ""}

_PORTS = {"http": 80, "https": 443}

# The keys of the scope that Lambda adds, under the same names as in a scope.
_AWS = ("aws.event", "aws.context")


def build_environ(
    scope: Scope, body: bytes, *, is_concurrent: bool = False, has_siblings: bool = False
) -> dict[str, Any]:
    """Return the environ of one request.

    `is_concurrent`: other threads may call the application meanwhile. `has_siblings`: other processes may.

    SCRIPT_NAME is the scope's root path, and PATH_INFO the rest of the path; both are decoded. RAW_URI and REQUEST_URI
    are the request-target as the client sent it. Each text has one character for each byte, as PEP 3333 demands.
    """
    raw_path, query = scope["raw_path"], scope["query_string"].decode("latin-1")
    target = raw_path.decode("latin-1") + (f"?{query}" if query else "")
    script_name, path_info = _split(raw_path, scope["root_path"])
    scheme = scope["scheme"]
    host, port = scope.get("server") or ("localhost", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or _PORTS.get(scheme, 80)),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": is_concurrent,
        "wsgi.multiprocess": has_siblings,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if scope.get("client"):
        environ["REMOTE_ADDR"], port = scope["client"]
        if port:  # most events do not tell it
            environ["REMOTE_PORT"] = str(port)
    _add_headers(environ, scope["headers"])
    if body or "CONTENT_LENGTH" in environ:
        environ["CONTENT_LENGTH"] = str(len(body))
    for key in _AWS:
        if key in scope:
            environ[key] = scope[key]
    if user := _authorized_user(scope.get("aws.event")):
        environ["REMOTE_USER"] = user
    return environ


def _authorized_user(event: object) -> str:
    """Return the principal that a Lambda authorizer of API Gateway names, or ""."""
    for key in ("requestContext", "authorizer", "principalId"):
        event = event.get(key) if isinstance(event, Mapping) else None
    return event.encode("utf-8", "surrogatepass").decode("latin-1") if isinstance(event, str) else ""


def _split(raw_path: bytes, root_path: str) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO. A root path that the path does not begin with was removed on the way."""
    path, root = unquote_to_bytes(raw_path), root_path.rstrip("/").encode("utf-8", "surrogateescape")
    if not root:
        return "", path.decode("latin-1")
    for prefix in {root: None, unquote_to_bytes(root): None}:
        if prefix and path.startswith(prefix) and path[len(prefix) :][:1] in (b"", b"/"):
            return prefix.decode("latin-1"), path[len(prefix) :].decode("latin-1")
    return root.decode("latin-1"), path.decode("latin-1")


def _add_headers(environ: dict[str, Any], headers: HeaderPairs) -> None:
    """Add the headers. Repeated ones are joined as RFC 9110, 5.3, says; of content-type the first one counts.

    A name with an underscore is dropped: it would be another spelling of a header that the application trusts.
    """
    for name, value in headers:
        key = _keys[name]
        if key not in environ:
            environ[key] = value.decode("latin-1")
        elif key.startswith("HTTP_"):
            environ[key] += ("; " if name == b"cookie" else ", ") + value.decode("latin-1")
    environ.pop("", None)


def _key(name: bytes) -> str:
    """Return the key of a header, or "" for one that is dropped."""
    text = name.decode("latin-1")
    return "" if "_" in text else _PLAIN.get(text, "HTTP_" + text.upper().replace("-", "_"))


_keys = NameCache(_key)
