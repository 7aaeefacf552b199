"""A handler's way into the application: a call, and httpx only where the response streams."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge._messages import CompleteResponse, EventRequest
from bridge.asgi.exchange import BufferedExchange, EarlyExchange
from bridge.asgi.protocol import COMPLETE
from bridge.asgi.scope import build_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from bridge._httpx import httpx
    from bridge._types import Address, ASGIApp

    class _Called(Protocol):
        """What has an application and the defaults of its scope: this transport and InProcessTransport."""

        @property
        def app(self) -> ASGIApp: ...
        @property
        def root_path(self) -> str: ...
        @property
        def client(self) -> Address | None: ...


__all__ = ["DirectTransport"]

logger = logging.getLogger("bridge")


class DirectTransport:
    """`InProcessTransport` for a handler, which needs no httpx while it answers with whole responses."""

    root_path = ""
    client: Address | None = None

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As InProcessTransport, which it leaves it to."""
        from bridge.asgi.transport import InProcessTransport

        return await InProcessTransport(self.app, client=None).handle_async_request(request)

    async def handle_buffered_request(
        self: _Called, request: httpx.Request, finished: Callable[[CompleteResponse], None] | None = None
    ) -> CompleteResponse:
        """Run the application inline, in the caller's task, and return its response once it has ended.

        For a caller that wants the whole response: it costs no task and no event. `finished` is called with it as
        soon as its last message was sent, while the application may go on. An exception after a complete response is
        logged, and the response stands; every other one is raised, whatever `raise_app_exceptions` says.
        """
        scope = build_scope(request, root_path=self.root_path, client=self.client)
        body = request.content if isinstance(request, EventRequest) else await request.aread()
        exchange = BufferedExchange(body) if finished is None else EarlyExchange(body, finished)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as exc:
            if exchange.violation is None:  # which a task group may have wrapped, or an error handler replaced
                if exchange.state is not COMPLETE:
                    raise
                logger.error("The application failed after its response was complete.", exc_info=exc)
        exchange.check_finished()
        return exchange.response
