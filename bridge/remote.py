"""`Bridge(app)` with BRIDGE_MODE=proxy: the same application behind uvicorn in a child process.

The child imports the module that made this Bridge once more, and serves the application of the Bridge that it makes at
the same place. What HTTP cannot carry, which is the rest of the scope, goes in front of the body, so that the
application answers as it does in process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import weakref
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge._httpx import httpx
from bridge._messages import EventRequest
from bridge.errors import ConfigurationError
from bridge.forwarding import Forwarder
from bridge.origin import OriginProcess, OriginSettings
from bridge.settings import child_environment, handler_module
from bridge.transports import build_scope

if TYPE_CHECKING:
    from types import FrameType

    from bridge._types import ASGIApp, LifespanMode

__all__ = ["SCOPE_HEADER", "Place", "Wanted", "forwarder_to_child", "offer", "place_of"]

# How many bytes in front of the body are the rest of the scope. Nobody but this process can reach the child's socket.
SCOPE_HEADER = b"x-bridge-scope"

# What the child runs. It takes over the path first, because that is where it finds this package.
_PROGRAM = (
    "import json, sys; task = json.loads(sys.argv[1]); sys.path[:] = task['path']; "
    "from bridge.application_server import main; main(task)"
)

# The parts of a scope that are bytes; JSON has them as text in latin-1.
_BYTES = ("raw_path", "query_string")


class Place(NamedTuple):
    """Where a Bridge was made: the `number`th that `file` has made since the process began."""

    module: str
    file: str
    number: int


class Wanted:
    """In the child: the place of the Bridge to look out for, and what it was made of, once it was."""

    # None in every process that is no such child.
    here: Wanted | None = None

    def __init__(self, file: str, number: int) -> None:
        self.file, self.number = file, number
        self.app: ASGIApp | None = None


_made: Counter[str] = Counter()


def place_of(frame: FrameType | None) -> Place:
    """The place in `frame`, or in the first of its callers that is no part of this package."""
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame = frame.f_back
    if frame is None:
        raise ConfigurationError("BRIDGE_MODE=proxy: expected a module that makes this Bridge, but there is none.")
    file = frame.f_code.co_filename
    _made[file] += 1
    return Place(frame.f_globals.get("__name__", ""), file, _made[file])


def offer(place: Place, app: ASGIApp) -> bool:
    """Whether this process is such a child; then no Bridge in it starts anything, and the wanted one is remembered."""
    wanted = Wanted.here
    if wanted is not None and (wanted.file, wanted.number) == (place.file, place.number):
        wanted.app = app
    return wanted is not None


def forwarder_to_child(place: Place, lifespan: LifespanMode) -> Forwarder:
    """What forwards to a child process that serves the application. Raises ConfigurationError without uvicorn."""
    if find_spec("uvicorn") is None:
        raise ConfigurationError(
            "BRIDGE_MODE=proxy serves the application with uvicorn, which is not installed: add 'uvicorn', or "
            "'lambda-asgi-bridge[proxy]', to the function's requirements."
        )
    folder = tempfile.mkdtemp(prefix="bridge-")  # open to this user alone
    settings = _settings(os.path.join(folder, "app.sock"))
    command = [sys.executable, "-c", _PROGRAM, json.dumps(_task(place, lifespan, settings.uds))]
    process = OriginProcess(command, env=child_environment())
    forwarder = Forwarder(settings, process, prepare=with_scope)
    weakref.finalize(forwarder, shutil.rmtree, folder, ignore_errors=True)
    return forwarder


def _settings(uds: str) -> OriginSettings:
    """Only what concerns any web server is read from the environment: timeouts and async_init."""
    return OriginSettings(
        host="localhost",
        port=80,
        uds=uds,
        readiness_protocol="tcp",
        readiness_port=None,
        readiness_path="/",
        healthy_status=frozenset({200}),
        before_checkpoint_path="",
        after_restore_path="",
    )


def _task(place: Place, lifespan: LifespanMode, uds: str) -> dict[str, Any]:
    module = handler_module() or place.module
    return {
        "path": sys.path,
        "module": module,
        "script": place.file if module == "__main__" else None,
        "file": place.file,
        "number": place.number,
        "lifespan": lifespan,
        "uds": uds,
    }


async def with_scope(request: httpx.Request) -> httpx.Request:
    """The request to the child: the method and target of `request`, and in front of its body the scope, as JSON."""
    body = await request.aread()
    scope = dict(build_scope(request, root_path="", client=None))
    head = _head(scope, scope.pop("aws.event", None), scope.pop("aws.context", None))
    headers = [
        (b"host", b"localhost"),
        (b"content-length", b"%d" % (len(head) + len(body))),
        (SCOPE_HEADER, b"%d" % len(head)),
    ]
    return EventRequest(request.method, request.extensions["target"], headers, head + body, request.extensions["asgi"])


def _head(scope: dict[str, Any], event: Any, context: Any) -> bytes:
    for name in ("type", "asgi", "state"):  # the server's own
        scope.pop(name, None)
    scope["headers"] = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    for name in _BYTES:
        scope[name] = scope[name].decode("latin-1")
    parts = {"scope": scope, "event": event, "context": _context(context)}
    if isinstance(event, dict) and isinstance(event.get("body"), str):
        parts["event"] = event | {"body": None}  # the child makes it from the body that comes behind
        parts["has_body"] = True
    return json.dumps(parts, default=_attributes).encode("ascii")


def _context(context: Any) -> Any:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if not callable(remaining):
        return context
    return {"deadline": time.time() * 1000 + remaining(), "attributes": _attributes(context)}


def _attributes(value: Any) -> Any:
    """An object's public attributes; None for an object without any."""
    attributes = getattr(value, "__dict__", None)
    return attributes and {name: item for name, item in attributes.items() if not name.startswith("_")}
