"""A Starlette application without anything of Lambda in it. It writes to a file when it starts and ends."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

logger = logging.getLogger("market")
journal = Path(os.environ["JOURNAL"])


def note(line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    note("startup")
    yield
    note("shutdown")


async def look(request: Request) -> Response:
    """Tell about the invocation and the process."""
    context = request.scope["aws.context"]
    logger.warning("looking for %s", request.query_params.get("name"))
    return JSONResponse(
        {
            "name": request.query_params.get("name"),
            "process": os.getpid(),
            "id": context.aws_request_id,
            "custom": context.client_context and context.client_context.custom,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "tenant": context.tenant_id,
        }
    )


@cache
def barrier(parties: int) -> asyncio.Barrier:
    return asyncio.Barrier(parties)


async def meet(request: Request) -> Response:
    """Answer when so many requests wait for an answer."""
    await barrier(int(request.query_params["parties"])).wait()
    return await look(request)


async def fill(request: Request) -> Response:
    return PlainTextResponse("x" * int(request.query_params["size"]))


async def nothing(request: Request) -> Response:
    return Response(status_code=204, headers={"x-shelf": "empty"})


async def fail() -> None:
    raise ValueError("the shelf is empty")


async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# What comes after two parts of a stream.
ENDS: dict[str, Callable[[], Awaitable[object]]] = {
    "whole": lambda: asyncio.sleep(0),
    "fails": fail,
    "dies": die,
}


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"and \0 two"
        await ENDS[request.query_params["end"]]()

    response = StreamingResponse(parts(), status_code=202, media_type="text/plain")
    response.set_cookie("basket", "1")
    return response


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/look", look),
        Route("/meet", meet),
        Route("/fill", fill),
        Route("/nothing", nothing),
        Route("/stream", stream),
    ],
)
