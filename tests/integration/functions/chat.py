"""A function that gets the events of a WebSocket API beside HTTP requests."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bridge import Bridge


async def page(request: Request) -> Response:
    return PlainTextResponse("page")


async def connect(request: Request) -> Response:
    if request.query_params.getlist("tag") != ["a", "b"]:
        return Response(status_code=403)
    return Response(headers={"sec-websocket-protocol": "chat.v2"})


async def message(request: Request) -> Response:
    told = await request.json()
    if told["text"] == "broken":
        raise LookupError("no such room")
    return JSONResponse([told["text"], request.headers["x-amzn-connection-id"]])


async def disconnect(request: Request) -> Response:
    event = request.scope.get("aws.event")
    context = event["requestContext"] if event else json.loads(request.headers["x-amzn-request-context"])
    return PlainTextResponse(str(context["disconnectStatusCode"]))


ROUTES = {"connect": connect, "message": message, "disconnect": disconnect}
app = Starlette(
    routes=[
        Route("/", page),
        *(Route(f"/websocket/{name}", endpoint, methods=["POST"]) for name, endpoint in ROUTES.items()),
    ]
)
handler = Bridge(app)
