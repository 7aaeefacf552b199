"""A Starlette application, the same for every runtime."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


async def small(request: Request) -> Response:
    return JSONResponse({"hello": "world"})


async def hold(request: Request) -> Response:
    """Wait until the file HOLD_UNTIL exists, so that all slots are in use concurrently. A file sends no event."""
    while not os.path.exists(os.environ["HOLD_UNTIL"]):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    return JSONResponse({"hello": "world"})


async def stream(request: Request) -> Response:
    """Stream a body whose first part is its own time: ns of the monotonic clock."""

    async def parts() -> AsyncIterator[str]:
        yield f"{time.monotonic_ns()}\n"
        yield "and a second part\n"

    return StreamingResponse(parts(), media_type="text/plain")


app = Starlette(routes=[Route("/small", small), Route("/hold", hold), Route("/stream", stream)])
