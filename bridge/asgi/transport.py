"""httpx straight into an ASGI application: no socket, no server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge._httpx import httpx
from bridge.asgi.direct import DirectTransport
from bridge.asgi.protocol import WAITING
from bridge.asgi.scope import build_scope

if TYPE_CHECKING:
    from bridge._types import Address, ASGIApp
    from bridge.asgi.streaming import StreamingExchange

__all__ = ["InProcessTransport"]

logger = logging.getLogger("bridge")


class InProcessTransport(httpx.ASGITransport):
    """An `httpx.ASGITransport` whose responses stream while the application runs.

    ```python
    async with httpx.AsyncClient(transport=InProcessTransport(app), base_url="http://app") as client:
        async with client.stream("GET", "/events") as response:
            async for line in response.aiter_lines(): ...
    ```

    The arguments are those of `httpx.ASGITransport`. Works on asyncio and trio. A slow reader holds the application's
    `send()`; a reader that leaves makes `receive()` give http.disconnect and `send()` raise an OSError.

    `request.extensions["target"]` (bytes) is the raw request-target, `request.extensions["asgi"]` (dict) holds scope
    entries that go over those made from the request.

    Raises the application's own exceptions if `raise_app_exceptions`, and the ProtocolErrors of `bridge.errors`;
    else both are logged and become a 500, or httpx.RemoteProtocolError once the response has started.
    """

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: Address | None = ("127.0.0.1", 123),
    ) -> None:
        # The stock class types its application more narrowly, and allows no unknown client.
        super().__init__(app, raise_app_exceptions, root_path, client)  # type: ignore[arg-type]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application beside the reader; the response is returned as soon as it has started."""
        from bridge.asgi.streaming import ResponseStream, StreamingExchange  # the handler seldom needs it

        scope = build_scope(request, root_path=self.root_path, client=self.client)
        stream = request.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError(f"Expected a request with an asynchronous body, but got {type(stream).__name__}.")
        exchange = StreamingExchange(self.app, scope, stream)
        await exchange.start()
        if exchange.state is WAITING:
            return await self._without_response(exchange)
        body = ResponseStream(exchange, raise_app_exceptions=self.raise_app_exceptions)
        return httpx.Response(exchange.status_code, headers=exchange.headers, stream=body)

    async def _without_response(self, exchange: StreamingExchange) -> httpx.Response:
        exchange.leave()
        error = await exchange.finish()
        if error is None:  # The task was cancelled from outside, by a loop that is closing down.
            raise RuntimeError("The application was stopped before it responded.")
        if self.raise_app_exceptions or not isinstance(error, Exception):
            raise error
        logger.error("The application failed before its response started.", exc_info=error)
        return httpx.Response(500)

    handle_buffered_request = DirectTransport.handle_buffered_request
