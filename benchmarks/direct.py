"""The direct call of an application, with nothing in between: the least that a handler can cost."""

import asyncio

from starlette.types import ASGIApp, Message, Scope

from benchmarks.browser import QUERY, BrowserRequest
from benchmarks.rounds import Contestant

__all__ = ["DIRECT", "DirectCall", "direct_call"]

DIRECT = "direct call, run_until_complete"


class DirectCall:
    """One exchange whose scope is ready; messages are kept as they come."""

    __slots__ = ("_body", "parts", "scope", "status")

    def __init__(self, scope: Scope, body: bytes) -> None:
        self.scope = scope
        self.status = 0
        self.parts: list[bytes] = []
        self._body = body

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.parts.append(message["body"])


def direct_call(app: ASGIApp, request: BrowserRequest, loop: asyncio.AbstractEventLoop) -> Contestant:
    """Run the loop for one call, as a synchronous handler must."""

    async def call(exchange: DirectCall) -> DirectCall:
        await app(exchange.scope, exchange.receive, exchange.send)
        return exchange

    return Contestant(
        DIRECT, lambda: DirectCall(_scope(request), request.body), lambda made: loop.run_until_complete(call(made))
    )


def _scope(request: BrowserRequest) -> Scope:
    headers = {**request.headers, "host": "shop.example"}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": QUERY.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.7", 0),
        "server": ("shop.example", 443),
    }
