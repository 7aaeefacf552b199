"""A function behind a WebSocket API, which does what its messages say, through the management API."""

import json
import os
from typing import Any

import boto3  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge import Bridge

clients = boto3.client(
    "apigatewaymanagementapi",
    endpoint_url=os.environ["CONNECTIONS_URL"],
    aws_access_key_id="none",
    aws_secret_access_key="none",
)


async def connect(request: Request) -> Response:
    offered = request.headers.get("sec-websocket-protocol", "")
    print("connect", offered, flush=True)
    if "chat.v1" in offered:
        return Response(headers={"sec-websocket-protocol": "chat.v1"})
    if "crash" in request.query_params:
        os._exit(3)
    return Response(status_code=int(request.query_params.get("status", 200)))


def message(request: Request) -> Response:
    event: dict[str, Any] = request.scope["aws.event"]
    return _message(event["requestContext"], event["body"])


def _message(context: dict[str, Any], body: str) -> Response:
    id = context["connectionId"]
    if body == "crash":
        os._exit(3)
    if body == "whole event":
        clients.post_to_connection(ConnectionId=id, Data=json.dumps([context["routeKey"], os.getpid()]).encode())
    elif body == "close me":
        clients.delete_connection(ConnectionId=id)
    else:
        clients.post_to_connection(ConnectionId=id, Data=body.upper().encode())
    return PlainTextResponse(f"answer to {body}"[:1000])


async def disconnect(request: Request) -> Response:
    context = request.scope["aws.event"]["requestContext"]
    print("disconnect", context["disconnectStatusCode"], context["disconnectReason"], flush=True)
    return Response()


ROUTES = {"connect": connect, "message": message, "disconnect": disconnect}
handler = Bridge(
    Starlette(routes=[Route(f"/websocket/{name}", endpoint, methods=["POST"]) for name, endpoint in ROUTES.items()])
)
