"""The inspector as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.routes import Routes
from bridge.local.loopback import LoopbackOnly

__all__ = ["Inspector"]

# What a page of the inspector may do: be loaded from here, talk to here. What a client or a function sent is text, and
# if it ever were more, the browser would not run it. https://www.w3.org/TR/CSP3/
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Inspector:
    """The pages of a gateway, for this machine alone. It can be mounted at any path.

    `is_closing`: whether the web server ends, which then waits for its connections: the pages stop to listen.
    """

    def __init__(self, gateway: Inspected, *, is_closing: Callable[[], bool] = lambda: False) -> None:
        routes = Routes(gateway, is_closing)
        self._app = LoopbackOnly(Starlette(routes=routes.table(), exception_handlers=routes.errors()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_policy)
