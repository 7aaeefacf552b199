"""An application, a handler and a crash, for the tests of the local gateway. GATE: a file that opens a gate."""

import asyncio
import os
import sys
import time
from importlib import import_module
from typing import Any

from bridge import Bridge

hooks: Any = import_module("snapshot_restore_py")
hooks.register_before_snapshot(lambda: print("before the snapshot", flush=True))
hooks.register_after_restore(lambda: print("after the restore", flush=True))

GATE = os.environ.get("GATE", "/nowhere")

inside = 0


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        print("shutdown", message["type"], flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    print("serving", scope["path"], flush=True)
    await _before(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if scope["path"] == "/parts":
        await send({"type": "http.response.body", "body": b"first,", "more_body": True})
        await _gate()
    if scope["path"] == "/breaks":
        await send({"type": "http.response.body", "body": b"first,", "more_body": True})
        raise ValueError("broken on purpose")
    await send({"type": "http.response.body", "body": f"pid {os.getpid()}".encode()})
    if scope["path"] == "/background":
        await _gate()
        print("worked on", flush=True)


async def _before(path: str) -> None:
    global inside
    match path:
        case "/exit":
            print("last words", flush=True)
            os._exit(3)
        case "/memory":
            held = bytearray(400 << 20)
            await asyncio.sleep(60)
            del held
        case "/gate":
            await _gate()
        case "/three_together":
            inside += 1
            while inside < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def _gate() -> None:
    while not os.path.exists(GATE):  # noqa: ASYNC110, ASYNC240 - another process opens it
        await asyncio.sleep(0.01)


handler = Bridge(app)


def plain(event: dict[str, Any], context: Any) -> Any:
    """Return what the event asks for."""
    if "sleep" in event:
        print("sleeping", flush=True)
        time.sleep(event["sleep"])
    if "gate" in event:
        while not os.path.exists(GATE):
            time.sleep(0.01)
    if "fail" in event:
        raise ValueError(event["fail"])
    if "exit" in event:
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(event["exit"])
    if "size" in event:
        return "x" * event["size"]
    seen = {"client": str(context.client_context), "arn": context.invoked_function_arn}
    return {"event": event, "wall": time.time(), "monotonic": time.monotonic(), **seen}
