"""Readers of a response that several tests of the transport need."""

import anyio

from bridge._httpx import httpx
from bridge._types import ASGIApp
from bridge.asgi import InProcessTransport

__all__ = ["leave"]


async def leave(app: ASGIApp, *, raise_app_exceptions: bool = True) -> None:
    """Ask `app` for a response and leave before any of its body was read."""
    transport = InProcessTransport(app, raise_app_exceptions=raise_app_exceptions)
    client = httpx.AsyncClient(transport=transport, base_url="http://app.test")
    async with client, client.stream("GET", "/"):
        await anyio.wait_all_tasks_blocked()
