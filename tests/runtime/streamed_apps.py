"""Applications whose responses stream, and what of them is at Lambda."""

from collections.abc import Callable

from bridge._types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEAD", "TEXT", "ends_with", "read_whole", "sending"]

TEXT: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
HEAD = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "cookies": []}


def sending(*messages: Message, then: BaseException | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for message in messages:
                await send(message)
            if then is not None:
                raise then

    return app


async def read_whole(receive: Receive) -> None:
    while (await receive())["more_body"]:
        pass


def ends_with(end: bytes) -> Callable[[bytes], bool]:
    return lambda body: body.endswith(end)
