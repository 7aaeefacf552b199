"""An ASGI application for the port of a WebSocket API: connections of clients, and requests to the management API."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from secrets import token_bytes

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bridge.local.front_app import client_request
from bridge.local.loopback import LoopbackOnly
from bridge.local.websocket.connection import ClientTooSlow, Connection, Gone
from bridge.local.websocket.front import WebSocketFront, new_setup
from bridge.local.websocket.management import management_routes
from bridge.testing.messages import Headers
from bridge.testing.services.websocket import (
    FORBIDDEN,
    ClientConnection,
    connect_event,
    disconnect_event,
    message_event,
    route_key,
)

__all__ = ["WebSocketApp"]

# How many messages of one client the function may have at the same time. API Gateway invokes it for each one, without
# a wait for the one before. The next ones wait in the client's socket.
_MAX_AT_ONCE = 100


class WebSocketApp:
    """What clients of the API, and the function, talk to."""

    def __init__(self, front: WebSocketFront) -> None:
        self._front = front
        self._prefix = f"/{front.settings.stage}"
        self._management = LoopbackOnly(Starlette(routes=management_routes(self._prefix, front.connections)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["path"].startswith(f"{self._prefix}/@connections/"):
            await self._management(scope, receive, send)
        else:
            await JSONResponse({"message": FORBIDDEN}, 403)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if scope["path"].removesuffix("/") != self._prefix:
            await JSONResponse({"message": FORBIDDEN}, 403)(scope, receive, send)
            return
        client = ClientConnection(
            id=urlsafe_b64encode(token_bytes(11)).decode("ascii"),
            request=client_request(scope, b""),
            stage=self._front.settings.stage,
            connected_at=time.time(),
        )
        setup = new_setup()
        invocation = await self._front.invoke(connect_event(client, setup), trace_id=setup.trace_id)
        response = invocation.response
        assert response is not None
        if not 200 <= response.status < 300:
            await Response(response.body, response.status, dict(response.headers))(scope, receive, send)
            return
        await self._run(Connection(client, send), response.headers, receive)

    async def _run(self, connection: Connection, headers: Headers, receive: Receive) -> None:
        """Invoke the function for each message, and for the end. Return when all of that has ended."""
        client, connections = connection.client, self._front.connections
        free = asyncio.Semaphore(_MAX_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:

            async def got(text: str) -> None:
                await free.acquire()
                task = tasks.create_task(self._message(connection, text), name=f"bridge message of {client.id}")
                task.add_done_callback(lambda _: free.release())

            connections[client.id] = connection
            try:
                code, reason = await connection.run(headers, receive, got)
            finally:
                del connections[client.id]
            setup = new_setup()
            event = disconnect_event(client, setup, code=code, reason=reason)
            await self._front.invoke(event, trace_id=setup.trace_id)

    async def _message(self, connection: Connection, text: str) -> None:
        setup = new_setup()
        key = route_key(text, self._front.settings.route_keys)
        event = message_event(connection.client, setup, text, key=key)
        invocation = await self._front.invoke(event, trace_id=setup.trace_id)
        assert invocation.response is not None
        if invocation.response.body:
            try:
                await connection.post(invocation.response.body.decode("utf-8", "replace"))
            except (Gone, ClientTooSlow):
                invocation.response = invocation.response.because("The client did not get the message.")
