"""A Starlette application as a Lambda function. It notes in a file what it does, and when."""

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from bridge import Bridge


def note(line: str) -> None:
    with Path(os.environ["JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")


note("import begins")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    note("startup")
    tickets: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()
    clerk = asyncio.create_task(number_tickets(tickets))
    yield {"tickets": tickets}
    clerk.cancel()
    note("shutdown")
    logging.getLogger("shop").warning("The shop is closed.")


async def number_tickets(tickets: "asyncio.Queue[asyncio.Future[int]]") -> None:
    """Number tickets on the event loop of the startup: a request on another loop would wait forever."""
    for number in itertools.count(1):
        ticket = await tickets.get()
        ticket.set_result(number)


async def take_ticket(request: Request) -> Response:
    ticket = asyncio.get_running_loop().create_future()
    await request.state.tickets.put(ticket)
    return JSONResponse({"ticket": await ticket})


async def place_order(request: Request) -> Response:
    seen = {
        "base_url": str(request.base_url),
        "name": request.path_params["name"],
        "order": await request.json(),
        "event": sorted(request.scope["aws.event"]),
        "function": request.scope["aws.context"].function_name,
    }
    response = JSONResponse(seen, status_code=201, headers={"location": "/orders/1"})
    response.set_cookie("session", "def")
    response.set_cookie("basket", "1", httponly=True)
    return response


async def reverse(request: Request) -> Response:
    return Response((await request.body())[::-1], media_type="application/octet-stream")


async def page(request: Request) -> Response:
    return Response("x" * request.path_params["size"], media_type="text/plain")


async def fail(request: Request) -> Response:
    raise ValueError("the shelf is empty")


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/orders/{name}", place_order, methods=["POST"]),
        Route("/reverse", reverse, methods=["POST"]),
        Route("/tickets", take_ticket),
        Route("/pages/{size:int}", page),
        Route("/broken", fail),
    ],
)


async def noted(scope: Scope, receive: Receive, send: Send) -> None:
    async def noting_send(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.body":
            note("response complete")

    if scope["type"] == "http":
        note(f"{scope['method']} {scope['path']}")
    await app(scope, receive, noting_send)


handler = Bridge(noted)

note("import ends")
