"""ASGI applications for tests that are about something else."""

from collections.abc import Awaitable, Callable

from bridge._types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["START", "part", "sending"]

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


def part(body: bytes, *, more: bool = False) -> Message:
    """Return a message with a part of the body, the last one unless `more`."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def sending(*messages: Message, then: BaseException | Callable[[], Awaitable[object]] | None = None) -> ASGIApp:
    """Return an application without lifespan that sends `messages`, and then returns, raises or awaits `then()`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        for message in messages:
            await send(message)
        if isinstance(then, BaseException):
            raise then
        if then is not None:
            await then()

    return app
