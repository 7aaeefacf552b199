"""An application that hangs, and a WSGI application that blocks its thread, until the journal's folder has a file."""

import asyncio
import threading
from typing import Any

from bridge import Bridge


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/hang":
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/hang":
        threading.Event().wait()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


handler = Bridge(app, lifespan="off")
wsgi_handler = Bridge(wsgi_app, interface="wsgi")


def function(event: Any, context: Any) -> Any:
    return handler(event, context)
