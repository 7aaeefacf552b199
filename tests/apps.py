"""ASGI applications for tests that are about something else."""

from collections.abc import Awaitable, Callable

from bridge._types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["START", "Journal", "part", "sending"]

Then = BaseException | Callable[[], Awaitable[object]] | None

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


def part(body: bytes, *, more: bool = False) -> Message:
    """Return a message with a part of the body, the last one unless `more`."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def sending(*messages: Message, then: Then = None) -> ASGIApp:
    """Return an application without lifespan that sends `messages`, and then returns, raises or awaits `then()`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        for message in messages:
            await send(message)
        await act(then)

    return app


async def act(then: Then) -> None:
    """Do nothing, raise `then` or await `then()`."""
    if isinstance(then, BaseException):
        raise then
    if then is not None:
        await then()


class Journal:
    """An application that writes down its startups, its requests and its shutdowns.

    Each step may raise or await something after it was written down. A response is the number of startups up to the
    one whose state the request has.
    """

    def __init__(self, *, startup: Then = None, request: Then = None, shutdown: Then = None) -> None:
        self.steps: list[str] = []
        self.then = {"startup": startup, "request": request, "shutdown": shutdown}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._step("request")
            await sending(START, part(b"%d" % scope.get("state", {}).get("startups", 0)))(scope, receive, send)
            return
        for name in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{name}"}
            await self._step(name)
            scope["state"]["startups"] = self.steps.count("startup")
            await send({"type": f"lifespan.{name}.complete"})

    async def _step(self, name: str) -> None:
        self.steps.append(name)
        await act(self.then[name])
