"""Who may use what runs code: the machine's own programs, and pages that came from the machine itself.

A page on the web can make its reader's browser send requests to loopback addresses: under a name of its own that
resolves to one (DNS rebinding; the Host header tells), or by a form or fetch() (Origin and Sec-Fetch-Site tell). Every
browser sends Origin with a POST from another site, so a request without one is not from there.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LoopbackOnly", "is_loopback", "refused"]

# With every answer that has no others: no page of another site may show it, load it, or take it for what it is not.
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_NAME = "localhost"


def is_loopback(host: str) -> bool:
    """Return whether `host`, without a port, is a name or an address of this machine alone."""
    name = host.lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if name == _NAME or name.endswith("." + _NAME):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    # A socket of IPv6 that also has IPv4 (`--host ::`) names its clients so. Python 3.13 does this itself.
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def refused(headers: Headers, client: tuple[str, int] | None) -> str | None:
    """Return why a request is refused; None if it is not."""
    if client is None or not is_loopback(client[0]):
        return "it came from another machine"
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(_host_of(f"//{hosts[0]}")):
        return f"its Host is {', '.join(hosts)!r:.200}, which is not a loopback name"
    for origin in headers.getlist("origin"):
        if not is_loopback(_host_of(origin)):
            return f"its Origin is {origin!r:.200}, which is not a loopback name"
    is_link = headers.get("sec-fetch-mode") == "navigate" and "origin" not in headers
    if headers.get("sec-fetch-site") == "cross-site" and not is_link:
        return "a page of another site sent it"
    return None


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.path not in ("", "/") or "?" in url or "#" in url:
            return ""
        return parts.hostname or ""
    except ValueError:
        return ""


class LoopbackOnly:
    """An ASGI application that gets only what may be let in; 403 for the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        reason = refused(Headers(scope=scope), scope.get("client"))
        if reason is None:
            await self._app(scope, receive, send_safely)
            return
        response = PlainTextResponse(f"Refused, because {reason}.\n", 403)
        await response(scope, receive, send_safely)
