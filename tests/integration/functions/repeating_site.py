"""An application that sends its request's body back, and a function that returns its event."""

import json
from typing import Any

from bridge import Bridge


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body, has_more = body + message.get("body", b""), message.get("more_body", False)
    kind = b"application/octet-stream"
    if scope["path"].endswith("json"):
        value = {"path": scope["path"], "query": scope["query_string"].decode(), "body": body.decode("latin-1")}
        kind, body = b"application/json", json.dumps(value).encode()
    headers = [(b"content-type", kind), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


handler = Bridge(app)


def plain(event: Any, context: Any) -> Any:
    return {"got": event}
