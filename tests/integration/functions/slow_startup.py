"""A startup that goes on when the log has its line, which comes early here."""

import asyncio
import logging
import threading
from typing import Any

from bridge import Bridge, startup_watch

startup_watch.FIRST = 1.0
logged = threading.Event()


class Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logged.set()


logging.getLogger("bridge").addHandler(Told())


async def connect() -> None:
    while not logged.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await connect()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"done"})


handler = Bridge(app, lifespan="on")
