"""A small shop, for the pictures of the inspector."""

import asyncio
import json
from typing import Any

from bridge import Bridge

ANSWER = "A kettle boils water in about three minutes , and this one keeps it warm ."

STOCK = [{"id": 1, "name": "Kettle", "price": 29.9, "tags": ["kitchen"]}, {"id": 2, "name": "Lamp", "price": 49.0}]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    print(f"{scope['method']} {scope['path']} for {scope['client'][0]}", flush=True)
    await asyncio.sleep(0.02)
    match scope["path"]:
        case "/products":
            await _json(send, 200, STOCK)
        case "/chat":
            await _chat(send)
        case "/orders":
            await _json(send, 201, {"order": 17, "total": 78.9})
            for step in ("reserved", "invoiced", "mailed"):
                await asyncio.sleep(0.05)
                print(f"order 17: {step}", flush=True)
        case "/broken":
            print("the database refused the connection", flush=True)
            raise ConnectionError("the database refused the connection")
        case _:
            await _json(send, 404, {"detail": "Not Found"})


async def _json(send: Any, status: int, value: object) -> None:
    headers = [(b"content-type", b"application/json"), (b"server-timing", b"db;dur=12")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


async def _chat(send: Any) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for word in ANSWER.split():
        await asyncio.sleep(0.04)
        await send({"type": "http.response.body", "body": f"data: {word}\n\n".encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


handler = Bridge(app)
