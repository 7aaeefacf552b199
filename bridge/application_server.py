"""The child process of BRIDGE_MODE=proxy: uvicorn, with the application of one Bridge."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
import time
from base64 import b64encode
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bridge.remote import SCOPE_HEADER, Wanted

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ScopedApplication", "main"]


def main(task: dict[str, Any]) -> None:
    """Find the application and serve it until SIGTERM. `task`: what `bridge.remote` says about it."""
    import uvicorn

    app = _find(task)
    uvicorn.run(
        ScopedApplication(app),
        uds=task["uds"],
        lifespan=task["lifespan"],
        http="h11",  # takes every method, as the handler does in process
        ws="none",
        log_level="warning",
        access_log=False,
        # The answer is to be the application's own.
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


def _find(task: dict[str, Any]) -> ASGIApp:
    """Import what made the Bridge, as it was imported there, and take the application of the Bridge made there."""
    wanted = Wanted.here = Wanted(task["file"], task["number"])
    if task["script"] is not None:
        runpy.run_path(task["script"], run_name="__bridge_main__")
    else:
        importlib.import_module(task["module"])
    if wanted.app is None:
        sys.exit(
            f"BRIDGE_MODE=proxy: expected the import of {task['module']!r} to make Bridge no. {task['number']} of "
            f"{task['file']}, as it did in the Lambda runtime, but it did not. Is it made by something that only "
            "happens there?"
        )
    return wanted.app


class ScopedApplication:
    """`app` with the scope that it has in process, which comes in front of the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = int(dict(scope["headers"])[SCOPE_HEADER])
        content = await _content(receive)
        body = content[length:]
        scope.update(_scope(json.loads(content[:length]), body))
        await self.app(scope, _Replay(body, receive), send)


async def _content(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


class _Replay:
    """`receive` for a body that was read already."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


def _scope(parts: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The entries of the scope in process, out of JSON."""
    scope: dict[str, Any] = parts["scope"]
    event = parts["event"]
    if parts.get("has_body"):
        event["body"] = b64encode(body).decode() if event.get("isBase64Encoded") else body.decode("utf-8", "replace")
    scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in scope["headers"]]
    for name in ("raw_path", "query_string"):
        scope[name] = scope[name].encode("latin-1")
    for name in ("client", "server"):
        scope[name] = tuple(scope[name]) if scope.get(name) else None
    scope["aws.event"] = event
    scope["aws.context"] = _context(parts["context"])
    return scope


def _context(value: Any) -> Any:
    """An object with what the Lambda context has, as far as JSON can carry it."""
    if not isinstance(value, dict) or value.keys() != {"deadline", "attributes"}:
        return value
    attributes = dict(value["attributes"] or {})
    identity, client_context = attributes.get("identity"), attributes.get("client_context")
    if isinstance(identity, dict):
        attributes["identity"] = SimpleNamespace(**identity)
    if isinstance(client_context, dict):
        client = client_context.get("client")
        client_context["client"] = SimpleNamespace(**client) if isinstance(client, dict) else client
        attributes["client_context"] = SimpleNamespace(**client_context)
    deadline: float = value["deadline"]
    return SimpleNamespace(
        **attributes, get_remaining_time_in_millis=lambda: max(0, int(deadline - time.time() * 1000))
    )
