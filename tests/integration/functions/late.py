"""An application that hangs, and a WSGI application that blocks its thread, for ever or up to its deadline's margin."""

import asyncio
import threading
import time
from typing import Any

from bridge import Bridge

# In seconds: in the margin, which is the last 3 s of the 6 s that the function has.
LATE = 4.5


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/hang":
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/hang":
        threading.Event().wait()
    if environ["PATH_INFO"] == "/late":
        time.sleep(LATE)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


handler = Bridge(app, lifespan="off")
wsgi_handler = Bridge(wsgi_app, interface="wsgi")


def function(event: Any, context: Any) -> Any:
    return handler(event, context)
