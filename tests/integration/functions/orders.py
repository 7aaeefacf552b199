"""A function that gets a queue's messages beside HTTP requests."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bridge import Bridge


async def page(request: Request) -> Response:
    return PlainTextResponse("page")


async def events(request: Request) -> Response:
    event = await request.json()
    if event == "nothing":
        return Response(status_code=204)
    body = event["Records"][0]["body"]
    return JSONResponse({"body": body}, status_code=500 if body == "broken" else 200)


def on_event(event: Any, context: Any) -> Any:
    if event == "broken":
        raise LookupError("no such order")
    return [event, context.function_name]


app = Starlette(routes=[Route("/", page), Route("/events", events, methods=["POST"])])
handler = Bridge(app)
with_function = Bridge(app, on_event=on_event)
