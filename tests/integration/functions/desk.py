"""What `python -m bridge.runtime` is tried with: a bare Starlette application, and handler functions beside it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

JOURNAL = Path(os.environ["JOURNAL"])
SLOTS = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1"))


def note(line: str) -> None:
    with JOURNAL.open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    if os.environ.get("FAILS") == "startup":
        raise RuntimeError("the database is down")
    note("startup")
    yield
    note("shutdown")


async def who(request: Request) -> Response:
    context = request.scope["aws.context"]
    return JSONResponse(
        {
            "path": request.scope["raw_path"].decode(),
            "pid": os.getpid(),
            "request": context.aws_request_id,
            "custom": context.client_context and context.client_context.custom,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        }
    )


# On one event loop all of them can only meet if all are there at once.
here: list[str] = []
all_here = asyncio.Event()


async def meet(request: Request) -> Response:
    here.append(request.path_params["name"])
    if len(here) == SLOTS:
        all_here.set()
    await all_here.wait()
    return JSONResponse({"name": request.path_params["name"], "pid": os.getpid()})


async def reverse(request: Request) -> Response:
    return Response((await request.body())[::-1], media_type="application/octet-stream")


async def sized(request: Request) -> Response:
    """A result of so many bytes: what JSON and the response's own fields take is known to the test."""
    return PlainTextResponse("x" * int(request.path_params["size"]))


async def late(request: Request) -> Response:
    await asyncio.sleep(3600)
    return PlainTextResponse("too late")


async def broken(request: Request) -> Response:
    raise ValueError("the drawer is stuck")


async def mail(request: Request) -> Response:
    return PlainTextResponse("soon", background=BackgroundTask(send_mail))


async def send_mail() -> None:
    note("mail begins")
    await asyncio.to_thread(note, "mail is written")
    await asyncio.sleep(0)
    note("mail ends")


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        await asyncio.sleep(0)
        yield b"two"
        if request.url.query == "broken":
            raise ValueError("the paper is out")
        if request.url.query == "verbose":
            raise ValueError("the paper is out " * 1000)

    return StreamingResponse(parts(), media_type="text/plain")


async def nothing(request: Request) -> Response:
    return Response(status_code=204)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/who", who),
        Route("/meet/{name}", meet),
        Route("/reverse", reverse, methods=["POST"]),
        Route("/sized/{size}", sized),
        Route("/late", late),
        Route("/broken", broken),
        Route("/mail", mail, methods=["POST"]),
        Route("/stream", stream),
        Route("/nothing", nothing),
    ],
)

together = threading.Barrier(SLOTS)


def plain(event: dict[str, Any], context: Any) -> Any:
    if "wait" in event:
        together.wait(20)
    if "fail" in event:
        raise LookupError(event["fail"])
    if "size" in event:
        return "x" * (event["size"] - 2)
    return {"event": event, "request": context.aws_request_id, "thread": threading.current_thread().name}


async def plain_async(event: dict[str, Any], context: Any) -> Any:
    await asyncio.sleep(0)
    return {"event": event, "request": context.aws_request_id}
