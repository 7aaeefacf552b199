"""An application that opens a client and a database connection in its lifespan.

`SNAPSHOT` is Bridge's option: the lifespan goes on over the snapshot, or is restarted.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.snapshot.functions.draws import draw
from benchmarks.snapshot.functions.priming import prime_before_snapshot
from benchmarks.snapshot.functions.services import ORIGIN, Database
from bridge import Bridge

# In seconds, by the monotonic clock: longer than httpx's 5, because the processor is emulated, and this function gets
# its turn after others.
KEPT = 60


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=KEPT)) as client:
        database = await Database.connect()
        yield {"client": client, "database": database}
        await database.close()


async def answer(request: Request) -> Response:
    return JSONResponse(
        {
            "origin": await result_of(ask(request.state.client)),
            "database": await result_of(request.state.database.query("fine")),
            "draws": draw(),
        }
    )


async def ask(client: httpx.AsyncClient) -> str:
    response = await client.get(ORIGIN)
    text: str = response.json()["origin"]
    return text


async def result_of(awaitable: Any) -> str:
    """Return the result, or the error's text."""
    try:
        text: str = await awaitable
    except Exception as exc:
        return repr(exc)
    return text


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        async with request.state.client.stream("GET", ORIGIN) as response:
            async for part in response.aiter_raw():
                yield part

    return StreamingResponse(parts())


handler = Bridge(
    Starlette(routes=[Route("/", answer), Route("/stream", stream)], lifespan=lifespan),
    snapshot=os.environ.get("SNAPSHOT", "keep-lifespan"),  # type: ignore[arg-type]
)
prime_before_snapshot(handler)
