"""The management API of a WebSocket API, for boto3's client `apigatewaymanagementapi`. No signature counts.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.local.bodies import read_up_to
from bridge.local.websocket.connection import ClientTooSlow, Connection, End, Gone
from bridge.testing.messages import values_of
from bridge.testing.services.websocket import MAX_MESSAGE

__all__ = ["management_routes"]

# Reported of `$disconnect` after a DELETE.
_CLOSED: End = (1000, "Connection Closed Normally")


def management_routes(prefix: str, connections: Mapping[str, Connection]) -> list[Route]:
    """Return the routes for `connections`, by their ids. `prefix`: "/live" for the stage `live`."""

    async def answer(request: Request) -> Response:
        connection = connections.get(request.path_params["id"])
        if connection is None:
            return _error(410, "GoneException")
        if request.method == "POST":
            return await _post(request, connection)
        if request.method == "DELETE":
            connection.close(_CLOSED)
            return Response(status_code=204)
        return JSONResponse(_described(connection))

    return [Route(f"{prefix}/@connections/{{id}}", answer, methods=["DELETE", "GET", "POST"])]


async def _post(request: Request, connection: Connection) -> Response:
    """Send the body as text. Assumed: bytes that are not UTF-8 are replaced."""
    content = await read_up_to(request, MAX_MESSAGE)
    if len(content) > MAX_MESSAGE:
        return _error(413, "PayloadTooLargeException", f"A message has {MAX_MESSAGE} bytes at most.")
    try:
        await connection.post(content.decode("utf-8", "replace"))
    except Gone:
        return _error(410, "GoneException")
    except ClientTooSlow:
        return _error(429, "LimitExceededException", "The client does not read its messages.")
    return Response()


def _described(connection: Connection) -> dict[str, object]:
    request = connection.client.request
    agent = "".join(values_of(request.headers, "user-agent")[:1])
    return {
        "connectedAt": _time(connection.client.connected_at),
        "identity": {"sourceIp": request.client[0], "userAgent": agent},
        "lastActiveAt": _time(connection.last_active),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, name: str, message: str = "") -> Response:
    headers = {"x-amzn-errortype": name}
    return JSONResponse({"message": message}, status, headers) if message else Response(None, status, headers)
