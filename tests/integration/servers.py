"""Real web servers that serve origin_site: how each of them is started, on a TCP port or on a UNIX socket."""

import asyncio
import json
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
from uvicorn.protocols.http.h11_impl import H11Protocol

from bridge import Proxy
from bridge._types import ASGIApp
from tests.integration.exchange import ClientRequest, ClientResponse
from tests.integration.services import SERVICES

__all__ = ["HOST", "SERVERS", "BackgroundServer", "WebServer", "ask", "event_for", "free_port", "result_of", "running"]

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent.parent

# The service whose events keep most of a client's request: path and query as they were sent, repeated headers.
_ALB = next(service for service in SERVICES if service.id == "alb-multi")

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
        commands = {
            "uvicorn": _uvicorn,
            "gunicorn": _gunicorn,
            "gunicorn gthread": _gunicorn_threads,
            "hypercorn": _hypercorn,
            "granian": _granian,
            "node": _node,
            "http.server": _static,
        }
        return commands[self.name](address, folder, keep_alive)

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


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _option(name: str, value: int | None) -> list[str]:
    return [] if value is None else [name, str(value)]


def _uvicorn(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    where = ["--uds", address] if address.startswith("/") else ["--host", HOST, "--port", address]
    # Else the reports would have the client that X-Forwarded-For tells of, and no port.
    options = ["--no-proxy-headers", "--log-level", "warning", *_option("--timeout-keep-alive", keep_alive)]
    return _python("uvicorn", "tests.integration.origin_site:asgi", *where, *options)


def _gunicorn(address: str, folder: Path, keep_alive: int | None, *worker: str) -> list[str]:
    config = folder / "gunicorn.conf.py"
    config.write_text(_GUNICORN_CONFIG)
    where = ["--bind", _bind(address), "--config", str(config), "--log-level", "error"]
    options = _option("--keep-alive", keep_alive)
    return _python("gunicorn", "tests.integration.origin_site:wsgi", *where, *worker, *options)


def _gunicorn_threads(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    return _gunicorn(address, folder, keep_alive, "--worker-class", "gthread", "--threads", "8")


def _hypercorn(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    options = _option("--keep-alive", keep_alive)
    application = "tests.integration.origin_site:asgi"
    return _python("hypercorn", application, "--bind", _bind(address), "--log-level", "warning", *options)


def _granian(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    where = ["--interface", "asgi", "--host", HOST, "--port", address, "--log-level", "warning"]
    return _python("granian", "tests.integration.origin_site:asgi", *where)


def _node(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    return ["node", str(Path(__file__).parent / "node_site.mjs"), address, *([str(keep_alive)] if keep_alive else [])]


def _static(address: str, folder: Path, keep_alive: int | None) -> list[str]:
    """It knows nothing of the site: it serves the files in `folder`, and has a line on stderr for each of them."""
    command = _python("http.server", address, "--bind", HOST, "--directory", str(folder))
    return ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *command]


def _bind(address: str) -> str:
    return f"unix:{address}" if address.startswith("/") else f"{HOST}:{address}"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


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
    length = [("Content-Length", str(len(body)))] if body else []
    pairs = (("Host", "shop.example"), *headers, *length)
    request = ClientRequest(method=method, target=target, headers=pairs, body=body)
    event: dict[str, Any] = json.loads(json.dumps(_ALB.encode(request, "")))
    return event


def result_of(result: dict[str, Any], method: str) -> ClientResponse:
    """Return a load balancer's response for this result, without the web server's headers about itself."""
    response = _ALB.decode(json.loads(json.dumps(result)), method)
    headers = tuple((name, value) for name, value in response.headers if name not in ("date", "server"))
    return ClientResponse(response.status, headers, response.body)


def ask(
    handler: Proxy, method: str, target: str, *headers: tuple[str, str], body: bytes = b"", context: Any = None
) -> ClientResponse:
    """Return the response to this request, sent through a load balancer."""
    return result_of(handler(event_for(method, target, *headers, body=body), context), method)


class BackgroundServer:
    """uvicorn in a thread of this process, for tests that look at the server's side of its connections.

    `made`: how many connections there were. `open`: the clients' ports of those that are not over yet.
    """

    def __init__(self, application: ASGIApp, *, keep_alive: int = 60) -> None:
        self._socket = socket.create_server((HOST, 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self.made = 0
        self.open: set[int] = set()
        self._changed = threading.Condition()
        config = uvicorn.Config(
            application,
            http=self._protocol(),
            loop="asyncio",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=keep_alive,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def _protocol(self) -> type[asyncio.Protocol]:
        server = self

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                self.port = transport.get_extra_info("peername")[1]
                server._tell_made(self.port)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                # asyncio closes the socket itself after this call.
                asyncio.get_running_loop().call_soon(server._tell_ended, self.port)

        return Protocol

    def _tell_made(self, port: int) -> None:
        with self._changed:
            self.made += 1
            self.open.add(port)

    def _tell_ended(self, port: int) -> None:
        with self._changed:
            self.open.remove(port)
            self._changed.notify_all()

    def wait_until_ended(self, port: int) -> None:
        """Wait until the server has closed its connection with `port`."""
        with self._changed:
            assert self._changed.wait_for(lambda: port not in self.open, timeout=30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
