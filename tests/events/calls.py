"""The three ways to call a handler, which differ in nothing but where the event loop is."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

from bridge import Handler
from bridge.asgi.cancellation import TaskOwner

__all__ = ["CALLS", "Call", "answering", "called", "handled"]

Call = Callable[..., Any]


def called(handler: Handler, event: Any, context: Any = None) -> Any:
    """As awslambdaric does."""
    with closing(handler):
        return handler(event, context)


def handled(handler: Handler, event: Any, context: Any = None) -> Any:
    """As asynchronous code does."""
    return asyncio.run(handler.handle(event, context))


def answering(handler: Handler, event: Any, context: Any = None) -> Any:
    """As `python -m bridge.runtime` does."""

    async def main() -> Any:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        owner = TaskOwner()
        try:
            await owner.create_task(asyncio.get_running_loop(), handler._answer(event, context, result))
            return await result
        finally:
            owner.forget()
            result.cancel()

    return asyncio.run(main())


CALLS: list[Call] = [called, handled, answering]
