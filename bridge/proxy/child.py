"""The child process of BRIDGE_MODE=proxy: uvicorn, with the application of one Bridge."""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import json
import logging
import signal
import sys
import time
import traceback
import types
from base64 import b64encode
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bridge.proxy.remote import SCOPE_HEADER, Wanted
from bridge.settings import set_trace_id

if TYPE_CHECKING:
    from bridge._types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ScopedApplication", "main"]

logger = logging.getLogger("bridge")


def main(task: dict[str, Any]) -> None:
    """Find the application and serve it until SIGTERM. `task`: what `bridge.proxy.remote` says about it."""
    import uvicorn

    if task["logs"]:
        _log_as_the_runtime_does()
    app = _find(task)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # uvicorn shuts down and then sends itself the signal once more: this way the exit is an orderly one.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        ScopedApplication(app, required=task["lifespan"] == "on"),
        uds=task["uds"],
        lifespan=task["lifespan"],
        http="h11",  # takes every method, as the handler does in process
        ws="none",
        workers=1,  # whatever WEB_CONCURRENCY says
        log_config=None,  # the application's own
        log_level="warning",
        access_log=False,
        # The answer is to be the application's own.
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


def _log_as_the_runtime_does() -> None:
    """Lambda's runtime gives the root logger a handler before it imports anything, and modules rely on that."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    logging.getLogger().addHandler(handler)


def _find(task: dict[str, Any]) -> ASGIApp:
    """Import what made the Bridge, as it was imported there, and take the application of the Bridge made there."""
    wanted = Wanted.here = Wanted(task["file"], task["number"])
    if task["script"] is not None:
        _import_program(**task["script"])
    else:
        importlib.import_module(task["module"])
    if wanted.app is None:
        sys.exit(
            f"BRIDGE_MODE=proxy: expected the import of {task['module']!r} to make Bridge no. {task['number']} of "
            f"{task['file']}, as it did in the Lambda runtime, but it did not. Is it made by something that only "
            "happens there?"
        )
    return wanted.app


def _import_program(name: str | None, file: str | None) -> None:
    """The program under another name, so that what it does as a program is left out, as `multiprocessing` does it."""
    spec = importlib.util.find_spec(name) if name else None
    origin = spec.origin if spec is not None else file
    if origin is None:
        sys.exit("BRIDGE_MODE=proxy: expected the program that made this Bridge to be a file, but it is none.")
    loader = importlib.machinery.SourceFileLoader(_PROGRAM_NAME, origin)
    module = types.ModuleType(_PROGRAM_NAME)
    module.__file__, module.__loader__ = origin, loader
    module.__package__ = spec.parent if spec is not None else ""
    if module.__package__:
        importlib.import_module(module.__package__)
    sys.modules[_PROGRAM_NAME] = sys.modules["__main__"] = module
    loader.exec_module(module)


_PROGRAM_NAME = "__bridge_main__"

# What the handler answers in process when the application fails.
_FAILED_BODY = b"Internal Server Error"
_FAILED = {
    "type": "http.response.start",
    "status": 500,
    "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_FAILED_BODY))],
}


class ScopedApplication:
    """`app` with the scope that it has in process, which comes in front of the body."""

    def __init__(self, app: ASGIApp, *, required: bool = False) -> None:
        self.app = app
        self._required = required
        self._has_lifespan = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """uvicorn takes an application that raises for one without a lifespan: not after it has called receive()."""
        received = answered = False

        async def receive_event() -> Message:
            nonlocal received
            received = True
            return await receive()

        async def send_event(message: Message) -> None:
            nonlocal answered
            answered = True
            self._has_lifespan = message["type"] == "lifespan.startup.complete" or self._has_lifespan
            await send(message)

        try:
            await self.app(scope, receive_event, send_event)
        except Exception:
            if not received or answered:
                raise
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            return
        if (received or self._required) and not answered:
            message = "The application returned from its lifespan without an answer to lifespan.startup."
            await send({"type": "lifespan.startup.failed", "message": message})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = int(dict(scope["headers"])[SCOPE_HEADER])
        content = await _content(receive)
        parts = json.loads(content[:length])
        body = content[length:]
        scope.update(_scope(parts, body))
        if not self._has_lifespan:
            scope.pop("state", None)
        set_trace_id(parts["trace"])
        state = "waiting"

        async def send_message(message: Message) -> None:
            nonlocal state
            await send(message)
            if message["type"] == "http.response.start":
                state = "started"
            elif not message.get("more_body", False):
                state = "complete"

        try:
            await self.app(scope, _Replay(body, receive), send_message)
        except (Exception, asyncio.CancelledError) as exc:
            if state == "started" or _is_asked_for(exc):
                raise  # uvicorn breaks the connection off
            # It would also close the connection of a complete answer, just when the next request is on its way.
            logger.exception("The application failed.")
        else:
            if state == "waiting":
                logger.error("The application returned without a response.")
        if state == "waiting":
            await send(_FAILED)
            await send({"type": "http.response.body", "body": _FAILED_BODY})


def _is_asked_for(exc: BaseException) -> bool:
    """Whether it is a cancellation that comes from outside the application."""
    task = asyncio.current_task() if isinstance(exc, asyncio.CancelledError) else None
    return task is not None and task.cancelling() > 0


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
    form = parts.get("body")
    if form is not None:
        event["body"] = b64encode(body).decode() if form == "base64" else body.decode()
    scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in scope["headers"]]
    for name in ("raw_path", "query_string"):
        scope[name] = scope[name].encode("latin-1")
    for name in ("client", "server"):
        scope[name] = tuple(scope[name]) if scope.get(name) else None
    scope["aws.event"] = event
    scope["aws.context"] = _context(parts["context"])
    return scope


def _context(text: str) -> Any:
    """What stands for the Lambda context: its attributes, and the time that is left."""
    parts = json.loads(text)
    context, deadline = _from_portable(parts["value"]), parts["deadline"]
    if deadline is not None and isinstance(context, SimpleNamespace):
        context.get_remaining_time_in_millis = lambda: max(0, int(deadline - time.time() * 1000))
    return context


def _from_portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_portable(item) for name, item in value.items()}
    if isinstance(value, list):
        (inner,) = value
        if isinstance(inner, list):
            return [_from_portable(item) for item in inner]
        return SimpleNamespace(**_from_portable(inner))
    return value
