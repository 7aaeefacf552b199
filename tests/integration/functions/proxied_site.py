"""The web application of the function in proxied.py. It writes to a file when it starts and when it ends."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def note(line: str) -> None:
    with Path(os.environ["JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    note(f"{os.getpid()} starts")
    yield
    note(f"{os.getpid()} ends")
    print("The site is closed.", file=sys.stderr, flush=True)


async def page(request: Request) -> Response:
    context = json.loads(request.headers["x-amzn-lambda-context"])
    return JSONResponse(
        {
            "method": request.method,
            "path": request.scope["raw_path"].decode("ascii"),
            "body": (await request.body()).decode(),
            "function": context["env_config"]["function_name"],
            "trace": request.headers.get("x-amzn-trace-id") == context["xray_trace_id"],
            "pid": os.getpid(),
        }
    )


async def crash(request: Request) -> Response:
    print("The site gives up.", file=sys.stderr, flush=True)
    os._exit(3)


async def hang(request: Request) -> Response:
    await asyncio.Event().wait()
    return Response()


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/", lambda request: Response()),  # What is asked for until the site is ready.
        Route("/crash", crash, methods=["POST"]),
        Route("/hang", hang),
        Route("/{path:path}", page, methods=["GET", "POST"]),
    ],
)
