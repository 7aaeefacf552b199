"""`Bridge(app)` with BRIDGE_MODE=proxy: the same application behind uvicorn in a child process.

The child imports the module that made this Bridge once more, and serves the application of the Bridge that it makes at
the same place. What HTTP cannot carry, which is the rest of the scope, goes in front of the body, so that the
application answers as it does in process.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from base64 import b64encode
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge._httpx import httpx
from bridge._messages import EventRequest
from bridge.asgi import build_scope
from bridge.errors import ConfigurationError
from bridge.proxy.context_headers import trace_id
from bridge.proxy.forwarder import Forwarder
from bridge.proxy.server import OriginProcess, OriginSettings
from bridge.settings import child_environment, handler_module, in_lambda

if TYPE_CHECKING:
    from types import FrameType

    from bridge._types import ASGIApp, LifespanMode

__all__ = ["SCOPE_HEADER", "Place", "Wanted", "forwarder_to_child", "offer", "place_of"]

# How many bytes in front of the body are the rest of the scope. Nobody but this process can reach the child's socket.
SCOPE_HEADER = b"x-bridge-scope"

# What the child runs. It takes over the path first, because that is where it finds this package.
_PROGRAM = (
    "import json, sys; task = json.loads(sys.argv[1]); sys.path[:] = task['path']; sys.argv[:] = task['argv']; "
    "from bridge.proxy.child import main; main(task)"
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
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "bridge":
        frame = frame.f_back
    if frame is None:
        raise ConfigurationError("BRIDGE_MODE=proxy: expected a module that makes this Bridge, but there is none.")
    file = frame.f_code.co_filename
    _made[file] += 1
    return Place(_importing(frame), file, _made[file])


def _importing(frame: FrameType) -> str:
    """The module whose import makes this Bridge: a function of another module may have been asked to make it."""
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_name != "<module>":
        outer = outer.f_back
    name: str = (outer or frame).f_globals.get("__name__", "")
    return name


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
    # Made when it is needed, by startup. Nobody guesses the name.
    folder = os.path.join(tempfile.gettempdir(), f"bridge-{secrets.token_hex(8)}")
    settings = _settings(os.path.join(folder, "app.sock"))
    # -u: what the application prints is seen at once, as in the Lambda runtime. -P: the child works in the function's
    # folder, which is on the path only where the runtime has put it.
    command = [sys.executable, "-u", "-P", "-c", _PROGRAM, json.dumps(_task(place, lifespan, settings.uds))]
    return _Remote(folder, settings, OriginProcess(command, env=child_environment()))


class _Remote(Forwarder):
    """A Forwarder with a folder for its socket, which comes and goes with the child."""

    def __init__(self, folder: str, settings: OriginSettings, process: OriginProcess) -> None:
        super().__init__(settings, process, prepare=with_scope)
        self._folder = folder

    async def startup(self) -> None:
        os.mkdir(self._folder, 0o700)  # open to this user alone
        weakref.finalize(self, _remove, self._folder, os.getpid())
        try:
            await super().startup()
        except BaseException:
            _remove(self._folder, os.getpid())
            raise

    async def shutdown(self) -> None:
        await super().shutdown()
        _remove(self._folder, os.getpid())


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # not a forked process, whose parent goes on
        shutil.rmtree(folder, ignore_errors=True)


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
    entries: list[Any] = sys.path
    return {
        "path": [entry for entry in entries if isinstance(entry, str)],  # the import system skips others, too
        "argv": sys.argv,
        "logs": in_lambda(),
        "module": module,
        "script": _script() if module == "__main__" else None,
        "file": place.file,
        "number": place.number,
        "lifespan": lifespan,
        "uds": uds,
    }


def _script() -> dict[str, str | None]:
    """How to import the program again: by its name if it was run with `python -m`, else its file."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return {"name": spec.name if spec is not None else None, "file": getattr(main, "__file__", None)}


async def with_scope(request: httpx.Request) -> httpx.Request:
    """The request to the child: the method and target of `request`, and in front of its body the scope, as JSON."""
    body = await request.aread()
    scope = dict(build_scope(request, root_path="", client=None))
    head = _head(scope, scope.pop("aws.event", None), scope.pop("aws.context", None), body)
    headers = [
        (b"host", b"localhost"),
        (b"content-length", b"%d" % (len(head) + len(body))),
        (SCOPE_HEADER, b"%d" % len(head)),
    ]
    # The scope has both: these are for the log, and for the rules about repeating a request.
    method = request.method if request.method in _METHODS else "POST"
    target: bytes = request.extensions.get("target") or request.url.raw_path
    target = target if len(target) <= _MAX_TARGET else b"/"
    return EventRequest(method, target, headers, head + body, request.extensions["asgi"])


# What every server takes, and as a request with a response of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_MAX_TARGET = 8000


def _head(scope: dict[str, Any], event: Any, context: Any, body: bytes) -> bytes:
    for name in ("type", "asgi", "state"):  # the server's own
        scope.pop(name, None)
    scope["headers"] = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    for name in _BYTES:
        scope[name] = scope[name].decode("latin-1")
    parts = {"scope": scope, "event": event, "context": _context(context), "trace": trace_id()}
    form = _form(event, body)
    if form is not None:
        parts["event"] = event | {"body": None}  # the child makes it from the body that comes behind
        parts["body"] = form
    return json.dumps(parts, default=_attributes).encode("ascii")


def _form(event: Any, body: bytes) -> str | None:
    """How the event's body is made of the request's bytes: "text", "base64", or None, because it is not."""
    text = event.get("body") if isinstance(event, dict) else None
    if not isinstance(text, str):
        return None
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return "text" if encoded == body else "base64" if encoded == b64encode(body) else None


def _context(context: Any) -> str:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = remaining() if callable(remaining) else None
    deadline = time.time() * 1000 + milliseconds if isinstance(milliseconds, int | float) else None
    return json.dumps({"deadline": deadline, "value": _portable(context, 8)})


def _portable(value: Any, depth: int) -> Any:
    """`value` for JSON: objects are lists of one object, and lists are in lists, so that both can be told apart."""
    if value is None or isinstance(value, str | int | float):
        return value
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {str(name): _portable(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [[_portable(item, depth - 1) for item in value]]
    return [_portable(_attributes(value) or {}, depth - 1)]


def _attributes(value: Any) -> Any:
    """An object's public attributes, functions left out; None for an object without any."""
    names = [*getattr(value, "__dict__", ()), *_slots(type(value))]
    found = {name: getattr(value, name, None) for name in names if not name.startswith("_")}
    return {name: item for name, item in found.items() if not callable(item)} or None


def _slots(kind: type) -> list[str]:
    return [name for base in kind.__mro__ for name in _listed(base.__dict__.get("__slots__", ()))]


def _listed(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)
