"""Real web servers that serve origin_site: how each of them is started, on a TCP port or on a UNIX socket."""

import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import uvicorn

from bridge import Proxy
from bridge._types import ASGIApp
from bridge.testing.messages import ClientRequest, ClientResponse
from tests.integration.services import SERVICES
from tests.proxy.programs import free_port

__all__ = [
    "HOST",
    "ROOT",
    "SERVERS",
    "BackgroundServer",
    "WebServer",
    "ask",
    "event_for",
    "free_port",
    "result_of",
    "running",
]

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent.parent

# The service whose events keep most of a client's request: path and query as they were sent, repeated headers.
_ALB = next(service for service in SERVICES if service.id == "alb-multi")

_SITE = "tests.integration.origin_site"

# Later releases of gunicorn have a socket for their control, in the user's home by default.
_GUNICORN_CONFIG = "control_socket_disable = True\n"


@dataclass(frozen=True)
class WebServer:
    """`over_unix`: on a socket's path instead of a port. `is_concurrent`: it answers several requests at a time."""

    name: str
    over_unix: bool = False
    is_concurrent: bool = True

    @property
    def id(self) -> str:
        return f"{self.name} unix" if self.over_unix else self.name

    def command(self, address: str, folder: Path, *, keep_alive: int | None = None) -> list[str]:
        """Return its command. `address`: a port or a path. `keep_alive`: seconds of an idle connection."""
        seconds = [] if keep_alive is None else [str(keep_alive)]
        if self.name == "node":
            return ["node", str(Path(__file__).parent / "node_site.mjs"), address, *seconds]
        arguments, option = _python_server(self.name, address, folder)
        keep = [option, *seconds] if seconds else []
        command = [sys.executable, "-m", *arguments, *keep]
        # The standard library's has a line on stderr for each request.
        return ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *command] if self.name == "http.server" else command

    def skip_if_missing(self) -> None:
        if self.name == "node" and shutil.which("node") is None:
            pytest.skip("Node is not installed.")


SERVERS = (
    WebServer("uvicorn"),
    WebServer("gunicorn", is_concurrent=False),
    WebServer("gunicorn gthread"),
    WebServer("hypercorn"),
    WebServer("granian"),
    WebServer("node"),
    WebServer("uvicorn", over_unix=True),
    WebServer("gunicorn", over_unix=True, is_concurrent=False),
    WebServer("hypercorn", over_unix=True),
    WebServer("node", over_unix=True),
)


def _python_server(name: str, address: str, folder: Path) -> tuple[list[str], str]:
    """Return the module and its arguments, and the name of the option for idle connections."""
    is_path = address.startswith("/")
    bind = ["--bind", f"unix:{address}" if is_path else f"{HOST}:{address}"]
    port = ["--host", HOST, "--port", address]
    if name == "uvicorn":
        where = ["--uds", address] if is_path else port
        return ["uvicorn", f"{_SITE}:asgi", *where, "--log-level", "warning"], "--timeout-keep-alive"
    if name.startswith("gunicorn"):
        config = folder / "gunicorn.conf.py"
        config.write_text(_GUNICORN_CONFIG)
        worker = ["--worker-class", "gthread", "--threads", "8"] if name == "gunicorn gthread" else []
        options = ["--config", str(config), "--log-level", "error"]
        return ["gunicorn", f"{_SITE}:wsgi", *bind, *options, *worker], "--keep-alive"
    if name == "hypercorn":
        return ["hypercorn", f"{_SITE}:asgi", *bind, "--log-level", "warning"], "--keep-alive"
    if name == "granian":
        return ["granian", f"{_SITE}:asgi", "--interface", "asgi", *port, "--log-level", "warning"], ""
    # It knows nothing of the site: it serves the files in `folder`.
    return ["http.server", address, "--bind", HOST, "--directory", str(folder)], ""


@contextmanager
def running(server: WebServer, folder: Path, *, keep_alive: int | None = None) -> Iterator[tuple[Proxy, str]]:
    """A Proxy that has started `server`, and the URL of that. `folder`: an empty one, for its files."""
    server.skip_if_missing()
    address = str(folder / "socket") if server.over_unix else str(free_port())
    where: dict[str, Any] = {"uds": address} if server.over_unix else {"port": int(address)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        handler = Proxy(server.command(address, folder, keep_alive=keep_alive), **where)
    try:
        ask(handler, "GET", "/")  # Outside Lambda the first request starts it.
        yield handler, f"unix:{address}" if server.over_unix else f"http://{HOST}:{address}"
    finally:
        handler.close()


def event_for(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> dict[str, Any]:
    """Return a load balancer's event for this request."""
    return _ALB.event(_request(method, target, *headers, body=body))


def _request(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> ClientRequest:
    length = [("Content-Length", str(len(body)))] if body else []
    pairs = (("Host", "shop.example"), *headers, *length)
    return ClientRequest(method=method, target=target, headers=pairs, body=body, client=(HOST, 50000))


def result_of(result: dict[str, Any], method: str, target: str = "/") -> ClientResponse:
    """Return a load balancer's response for this result, without the web server's headers about itself."""
    response = _ALB.response(result, _request(method, target))
    assert response.reasons == ()
    headers = tuple((name, value) for name, value in response.headers if name not in ("date", "server"))
    return ClientResponse(response.status, headers, response.body)


def ask(
    handler: Proxy, method: str, target: str, *headers: tuple[str, str], body: bytes = b"", context: Any = None
) -> ClientResponse:
    """Return the response to this request, sent through a load balancer."""
    return result_of(handler(event_for(method, target, *headers, body=body), context), method, target)


class BackgroundServer:
    """uvicorn in a thread of this process. `options`: of its Config; by default no header is its own."""

    def __init__(self, application: ASGIApp, **options: Any) -> None:
        # asyncio sends small responses immediately (TCP_NODELAY) only if the protocol is named.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind((HOST, 0))
        # It listens already: it is the first client that waits for the server, and nothing else has to.
        self._socket.listen(1024)
        self.port: int = self._socket.getsockname()[1]
        defaults: dict[str, Any] = {"lifespan": "off", "loop": "asyncio", "http": "h11", "log_config": None}
        defaults |= {"proxy_headers": False, "date_header": False, "server_header": False, "timeout_keep_alive": 60}
        self._server = uvicorn.Server(uvicorn.Config(application, **(defaults | options)))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
