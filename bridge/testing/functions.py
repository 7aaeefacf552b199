"""What is called: a handler of this package, any function, or an endpoint that speaks Lambda's invoke API."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

from bridge._interface import ASGI, WSGI, examine
from bridge._loop import OwnLoop
from bridge.errors import LoopClosedError
from bridge.handler import Handler
from bridge.testing.interface import AsyncStream, Event, Function, Stream

__all__ = ["function_of"]


class HandlerFunction:
    """A Bridge, a Proxy or another Handler. Its lifespan starts with the first call."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def call(self, event: Event, context: Any) -> object:
        return self._handler(event, context)

    async def call_async(self, event: Event, context: Any) -> object:
        return await self._handler.handle(event, context)

    def open(self, event: Event, context: Any) -> Stream:
        from bridge.testing.handler_streams import HandlerStream

        return HandlerStream(self._handler, event, context)

    async def open_async(self, event: Event, context: Any) -> AsyncStream:
        from bridge.testing.handler_streams import HandlerStreamAsync

        return await HandlerStreamAsync.started(self._handler, event, context)

    def close(self) -> None:
        """Shut the application down, and leave the handler open: the next test may use it too."""
        try:
            self._handler._environment.loop.check_callable()
        except LoopClosedError:  # by its own close(), which ran the shutdown
            return
        self._handler._run(self._handler.__aexit__(None, None, None))

    async def close_async(self) -> None:
        await self._handler.__aexit__(None, None, None)


class PlainFunction:
    """Any other function of an event and a context, sync or async. A sync one is called in a thread by async code."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object with an async __call__
        )
        self._loop = OwnLoop()

    def call(self, event: Event, context: Any) -> object:
        if not self._is_async:
            return _called_as_in_lambda(self._function, event, context)
        self._loop.check_callable()
        result: object = self._loop.run(self._function(event, context))
        return result

    async def call_async(self, event: Event, context: Any) -> object:
        if self._is_async:
            result: object = await self._function(event, context)
            return result
        from anyio import to_thread

        return await to_thread.run_sync(_called_as_in_lambda, self._function, event, context)

    def close(self) -> None:
        self._loop.close()
        self._loop = OwnLoop()

    async def close_async(self) -> None:
        """Do nothing: async calls leave nothing behind."""


def _called_as_in_lambda(function: Callable[[Any, Any], Any], event: Event, context: Any) -> object:
    """Call a sync function in a thread that has an event loop, as Lambda's main thread has. Mangum requires one."""
    if threading.current_thread() is threading.main_thread() or _current_loop() is not None:
        return function(event, context)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return function(event, context)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _current_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def function_of(handler: object) -> Function:
    """Return what calls `handler`. Raises TypeError for what is neither a function nor a URL."""
    if isinstance(handler, Handler):
        return HandlerFunction(handler)
    if isinstance(handler, str):
        from bridge.testing.endpoint import Endpoint

        return Endpoint(handler)
    if examine(handler).interface in (ASGI, WSGI):
        raise TypeError(f"Expected a handler, but got an application, {handler!r:.200}: write Bridge(app).")
    if callable(handler):
        return PlainFunction(handler)
    raise TypeError(
        "Expected a handler, a function (event, context), or the URL of an endpoint of Lambda's invoke API, but got "
        f"{handler!r}."
    )
