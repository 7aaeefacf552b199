"""The parent's side of BRIDGE_MODE=proxy: a child process with uvicorn, and the requests that it gets.

The child imports the application by its name, which is BRIDGE_APP or found here.
"""

from __future__ import annotations

import json
import operator
import os
import secrets
import shutil
import sys
import tempfile
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bridge._messages import replace_headers
from bridge.asgi import build_scope
from bridge.context_headers import headers_with_context
from bridge.errors import ConfigurationError
from bridge.handler import Handler
from bridge.proxy.forwarder import Forwarder
from bridge.proxy.headers import CONNECTION_HEADER
from bridge.proxy.process import OriginProcess
from bridge.proxy.settings import OriginSettings
from bridge.settings import child_environment, handler_name

if TYPE_CHECKING:
    from bridge._httpx import httpx
    from bridge._types import ASGIApp, LifespanMode

__all__ = ["ChildProcess", "application_name", "for_child", "forwarder_to_child"]

# The program of the child. Its first argument is this process's path, on which are this package and the application.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from bridge.proxy.child import main; main(*sys.argv[1:])"
)

_CONNECTION_ENTRIES = ("client", "server", "scheme", "http_version", "root_path")


def forwarder_to_child(app: ASGIApp, name: str, lifespan: LifespanMode) -> Forwarder:
    """Return the Forwarder to a child process that serves `app`, which `name` names if it is not "".

    Raises ConfigurationError without uvicorn.
    """
    if find_spec("uvicorn") is None:
        raise ConfigurationError(
            "BRIDGE_MODE=proxy serves the application with uvicorn, which is not installed: add 'uvicorn', or "
            "'lambda-asgi-bridge[proxy]', to the function's requirements."
        )
    process = ChildProcess(app, name, lifespan)
    return Forwarder(_settings(process.uds), process, prepare=for_child)


class ChildProcess(OriginProcess):
    """uvicorn in a process of its own, with a folder for its socket, which is made and removed with it."""

    def __init__(self, app: ASGIApp, name: str, lifespan: LifespanMode) -> None:
        super().__init__([], env=child_environment())
        self._app, self._app_name, self._lifespan = app, name, lifespan
        self._folder = os.path.join(tempfile.gettempdir(), f"bridge-{secrets.token_hex(8)}")  # cannot be guessed
        self.uds = os.path.join(self._folder, "app.sock")

    def start(self) -> None:
        """Start the process. Raises ConfigurationError if the application has no name, and OriginNotStarted."""
        # Only now: a module that makes its Bridge while it is imported has bound the application by now, and a helper
        # process that imports the module again starts nothing.
        name = self._app_name or application_name(self._app)
        path = [entry for entry in list[Any](sys.path) if isinstance(entry, str)]  # the import system skips others, too
        # -u: what the application prints is seen immediately, as in the Lambda runtime. -P: the path is the parent's.
        program = [sys.executable, "-u", "-P", "-c", _PROGRAM, json.dumps(path)]
        self.command = [*program, name, self.uds, self._lifespan]
        os.mkdir(self._folder, 0o700)  # open to this user alone
        super().start()

    def kill(self) -> None:
        """Kill the process and all that it has started, and remove its folder. Idempotent."""
        super().kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def application_name(app: object) -> str:
    """Return the name, "module:attribute", under which the handler's module holds `app`, or a Bridge of it.

    Raises ConfigurationError.
    """
    module_name, _, attribute = handler_name().partition(":")
    module = sys.modules.get(module_name)
    for name in [] if module is None else [attribute, *vars(module)]:
        found = _attribute(module, name)
        if found is app or (isinstance(found, Handler) and getattr(found, "app", None) is app):  # a Bridge
            return f"{module_name}:{name}"
    raise ConfigurationError(
        "BRIDGE_MODE=proxy imports the application by its name in another process: expected one in the handler's "
        f"module ({module_name or '_HANDLER is not set'}), but the object given to Bridge has none there. Set "
        "BRIDGE_APP to the name of the application, or of its Bridge, such as 'main:app'."
    )


def _attribute(module: Any, name: str) -> object:
    try:
        return operator.attrgetter(name)(module)
    except AttributeError:
        return None


class _ChildSettings(OriginSettings):
    """Settings that no argument gives: the address cannot be set."""

    @property
    def advice(self) -> str:
        return (
            "An application that needs longer for its startup needs the variable "
            "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS."
        )


def _settings(uds: str) -> OriginSettings:
    """Return the settings. Only readiness_timeout and async_init are read from the environment."""
    return _ChildSettings(
        host="localhost",
        port=80,
        uds=uds,
        readiness_protocol="tcp",
        readiness_port=None,
        readiness_path="/",
        healthy_status=frozenset({200}),
        # uvicorn closes a kept connection when an application fails after its answer: the next request could be on it.
        pool_idle_timeout=0,
        before_checkpoint_path="",
        after_restore_path="",
    )


async def for_child(request: httpx.Request) -> httpx.Request:
    """Add the context headers, and one with the entries of the scope that HTTP cannot carry.

    One of these is root_path, so the target keeps its prefix.
    """
    scope = build_scope(request, root_path="", client=None)
    entries = json.dumps({name: scope[name] for name in _CONNECTION_ENTRIES})
    pairs = [pair for pair in headers_with_context(request) if pair[0] != CONNECTION_HEADER]
    replace_headers(request, [*pairs, (CONNECTION_HEADER, entries.encode("ascii"))])
    return request
