"""An httpx transport that calls a WSGI application in this process: no socket, no server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bridge._httpx import httpx
from bridge._interface import check_wsgi
from bridge._messages import FAILED_IN, WHOLE_RESPONSE, InProcess, async_body, is_whole
from bridge._outside import outside_calls_here
from bridge.asgi.scope import build_scope
from bridge.asgi.tasks import checkpoint
from bridge.wsgi.environ import build_environ
from bridge.wsgi.exchange import WSGIExchange
from bridge.wsgi.places import CallersThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bridge._messages import CompleteResponse
    from bridge._types import WSGIApp
    from bridge.wsgi.places import Place
    from bridge.wsgi.threads import Threads

__all__ = ["WSGITransport"]

# Turns of the event loop in which the runtime posts a response that is complete, before close() stops the loop. A large
# one, which the socket does not accept immediately, is posted after close().
TURNS_TO_ANSWER = 4


class WSGITransport(InProcess, httpx.AsyncBaseTransport, answers_early=True):
    """An `httpx.AsyncBaseTransport` that calls a WSGI application, and streams what it yields.

    ```python
    async with httpx.AsyncClient(transport=WSGITransport(app), base_url="http://app") as client:
        response = await client.get("/")
    ```

    `script_name`, `remote_addr`: those of a request that does not say otherwise in `request.extensions["asgi"]`.

    A handler calls the application in the thread that has called the handler, and not inside its event loop. With
    `is_concurrent`, and on any other event loop, each request runs in a thread that no other request uses meanwhile.
    `has_siblings`: other processes serve the same application (`wsgi.multiprocess`).

    It needs asyncio. It reads the keys of `request.extensions` that `InProcessTransport` reads. Raises the
    application's own exceptions, the ProtocolErrors of `bridge.errors`, and ConfigurationError for an object that is
    certainly not a WSGI application.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        script_name: str = "",
        remote_addr: str = "127.0.0.1",
        is_concurrent: bool = False,
        has_siblings: bool = False,
    ) -> None:
        check_wsgi(app)
        self.app = app
        self.script_name, self.remote_addr = script_name, remote_addr
        self._is_concurrent, self._has_siblings = is_concurrent, has_siblings
        self._threads: Threads | None = None

    def may_wait(self, request: httpx.Request) -> bool:
        """Return whether the call may wait: for a thread, for the request's body, or in a derived class."""
        return self._is_concurrent or not is_whole(request) or type(self) is not WSGITransport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call the application, and return the response as soon as it has a part of its body, or is complete.

        With `request.extensions["whole_response"]` return the whole response.
        """
        wanted = request.extensions.get(WHOLE_RESPONSE)
        place = self._place()
        try:
            exchange = await self._exchange(request, place)
            if not wanted:
                return await _streamed(exchange, place)
            response = await _whole(exchange, place, wanted if callable(wanted) else None)
        except BaseException:
            request.extensions[FAILED_IN] = place.context.copy()
            place.leave()
            raise
        place.leave()
        return response

    def _place(self) -> Place:
        calls = None if self._is_concurrent else outside_calls_here()
        if calls is not None:
            return CallersThread(calls)
        if self._threads is None:
            from bridge.wsgi.threads import Threads  # most functions answer one invocation at a time

            self._threads = Threads()
        return self._threads.borrow()

    async def _exchange(self, request: httpx.Request, place: Place) -> WSGIExchange:
        body = request.body if is_whole(request) else b"".join([part async for part in async_body(request)])
        scope = build_scope(request, root_path=self.script_name, client=(self.remote_addr, 0))
        environ = build_environ(scope, body, is_concurrent=place.is_concurrent, has_siblings=self._has_siblings)
        return WSGIExchange(self.app, environ, request)

    async def aclose(self) -> None:
        """End the threads that no request uses."""
        if self._threads is not None:
            self._threads.close()


async def _whole(
    exchange: WSGIExchange, place: Place, finished: Callable[[CompleteResponse], None] | None
) -> CompleteResponse:
    """Return the whole response. `finished` is called with it before a `close()` that may work on for long."""
    try:
        response = await place.run(partial(exchange.read, leaves_open=finished is not None))
        if finished is not None and exchange.is_open:
            finished(response)
            for _ in range(TURNS_TO_ANSWER):
                await checkpoint()
            await place.run(exchange.close)
    except BaseException:
        await place.run(exchange.close)  # also after a step that was not waited for
        raise
    return response


async def _streamed(exchange: WSGIExchange, place: Place) -> httpx.Response:
    try:
        first = await place.run(exchange.start)
    except BaseException:
        await place.run(exchange.close)
        raise
    body = ResponseParts(exchange, place, first)
    return httpx.Response(exchange.status_code, headers=exchange.headers, stream=body)


class ResponseParts(httpx.AsyncByteStream):
    """The body of a response: each part is asked for when its reader asks for it. Closing it closes the exchange."""

    def __init__(self, exchange: WSGIExchange, place: Place, first: bytes) -> None:
        self._exchange, self._place = exchange, place
        self._first: bytes | None = first
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first, self._first = self._first, None
        part = await self._next() if first is None else first
        if not part:
            raise StopAsyncIteration
        return part

    async def _next(self) -> bytes:
        if self._is_closed:
            return b""
        try:
            return await self._place.run(self._exchange.next_part)
        except StopAsyncIteration as exc:  # which would look like the end of the body: as in PEP 479
            raise RuntimeError("The application raised StopAsyncIteration.") from exc

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            try:
                await self._place.run(self._exchange.close)
            finally:
                self._place.leave()
