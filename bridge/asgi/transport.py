"""An httpx transport that calls an ASGI application in this process: no socket, no server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge._httpx import httpx
from bridge._interface import check_asgi
from bridge._messages import WHOLE_RESPONSE, CompleteResponse, InProcess, async_body, is_whole, request_line
from bridge.asgi.exchange import respond_whole
from bridge.asgi.failures import is_failure
from bridge.asgi.protocol import WAITING
from bridge.asgi.scope import build_scope

if TYPE_CHECKING:
    from bridge._types import Address, ASGIApp, Scope

__all__ = ["InProcessTransport"]

logger = logging.getLogger("bridge")


class InProcessTransport(InProcess, httpx.ASGITransport, answers_early=True):
    """An `httpx.ASGITransport` whose responses stream while the application runs.

    ```python
    async with httpx.AsyncClient(transport=InProcessTransport(app), base_url="http://app") as client:
        async with client.stream("GET", "/events") as response:
            async for line in response.aiter_lines(): ...
    ```

    The arguments are those of `httpx.ASGITransport`. Works on asyncio and trio. A slow reader holds the application's
    `send()`; a reader that leaves makes `receive()` give http.disconnect and `send()` raise an OSError.

    It reads three keys of `request.extensions`: `target` (bytes), the raw request-target; `asgi` (dict), entries of
    the scope that replace those made from the request; and `whole_response` (True, or a function that is called with
    the response as soon as its last message was sent), which asks for a whole response, a `CompleteResponse`.

    Raises the application's own exceptions if `raise_app_exceptions`, and the ProtocolErrors of `bridge.errors`;
    else both are logged and become a 500, or httpx.RemoteProtocolError once the response has started. Raises
    ConfigurationError for an object that is certainly not an ASGI application.
    """

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: Address | None = ("127.0.0.1", 123),
    ) -> None:
        check_asgi(app)
        # The stock class types its application more narrowly, and allows no unknown client.
        super().__init__(app, raise_app_exceptions, root_path, client)  # type: ignore[arg-type]

    def import_streams(self) -> None:
        """Import what only streams need."""
        from importlib import import_module

        import_module("bridge.asgi.streaming")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application beside the reader, and return the response as soon as it has started.

        With `request.extensions["whole_response"]`, run it in the caller's task and return the whole response.
        """
        scope = build_scope(request, root_path=self.root_path, client=self.client)
        wanted = request.extensions.get(WHOLE_RESPONSE)
        if not wanted:
            return await self._stream(request, scope)
        body = request.body if is_whole(request) else b"".join([part async for part in async_body(request)])
        finished = wanted if callable(wanted) else None
        try:
            return await respond_whole(self.app, scope, body, request=request, finished=finished)
        except BaseException as exc:
            if self.raise_app_exceptions or not is_failure(exc):
                raise
            return self._failed(request, exc)

    async def _stream(self, request: httpx.Request, scope: Scope) -> httpx.Response:
        from bridge.asgi.streaming import ResponseStream, StreamingExchange  # most Lambda functions never stream

        exchange = StreamingExchange(self.app, scope, request)
        await exchange.start()
        if exchange.state is WAITING:
            return self._without_response(request, await exchange.finish())
        body = ResponseStream(exchange, raise_app_exceptions=self.raise_app_exceptions)
        return httpx.Response(exchange.status_code, headers=exchange.headers, stream=body)

    def _without_response(self, request: httpx.Request, error: BaseException | None) -> httpx.Response:
        if error is None:  # the task was cancelled from outside, by a loop that is closing down
            raise RuntimeError("The application was stopped before it responded.")
        if self.raise_app_exceptions or not is_failure(error):
            raise error
        return self._failed(request, error)

    def _failed(self, request: httpx.Request, error: BaseException) -> CompleteResponse:
        logger.error("%s: The application failed before its response.", request_line(request), exc_info=error)
        return CompleteResponse(500, [], b"")
