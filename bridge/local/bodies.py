"""The bodies of requests to the gateway's own endpoints."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["read_up_to"]


async def read_up_to(request: Request, limit: int) -> bytes:
    """Return the body; of one with more than `limit` bytes a beginning that is longer than that. The rest is not read.

    Raises starlette's ClientDisconnect.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            break
    return bytes(content)
