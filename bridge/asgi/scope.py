"""The connection scope of an application, made from an httpx request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bridge._messages import SPEC_VERSION, header_pairs

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import Address

__all__ = ["build_scope"]


def build_scope(request: httpx.Request, *, root_path: str, client: Address | None) -> dict[str, Any]:
    """Return the HTTP connection scope of `request`.

    `request.extensions["target"]`, bytes, is the request-target as the client sent it; without it the URL's own is
    taken. `request.extensions["asgi"]`, a dict, holds scope entries that go over all others: what an HTTP request
    cannot carry. A dict with a "type" is a whole scope, and is used as it is, except for a method and headers that were
    changed on the request since.
    """
    extensions = request.extensions
    entries: dict[str, Any] = extensions.get("asgi") or {}
    if "type" in entries:
        if "headers" in request.__dict__ or request.method != entries["method"]:
            return {**entries, "method": request.method, "headers": header_pairs(request)}
        return entries
    target: bytes = extensions.get("target") or request.url.raw_path
    raw_path, _, query_string = target.partition(b"?")
    path = raw_path.decode("ascii", "replace")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(path),
        "raw_path": raw_path,
        "query_string": query_string,
        "root_path": root_path,
        "headers": header_pairs(request),
        "client": client,
    }
    if "server" not in entries or "scheme" not in entries:
        scope["scheme"] = request.url.scheme
        scope["server"] = (request.url.host, request.url.port)
    scope.update(entries)
    return scope
