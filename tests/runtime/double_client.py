"""A runtime by hand, for the tests of the double: requests piece by piece, responses as http.client reads them."""

import http.client
import json
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.runtime.double import LIMIT, RuntimeDouble

__all__ = ["CLOSED", "EVENTS", "NEXT", "REGISTER", "STREAMED", "Client", "Reply", "chunk"]

NEXT = "/2018-06-01/runtime/invocation/next"
REGISTER = "/2020-01-01/extension/register"
EVENTS = "/2020-01-01/extension/event/next"

# What a streamed HTTP response has to say.
STREAMED = {
    "Transfer-Encoding": "chunked",
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Content-Type": "application/vnd.awslambda.http-integration-response",
    "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
}

# What reading from a connection, or writing to it, raises once the other side has closed it.
CLOSED = (ConnectionError, http.client.RemoteDisconnected, http.client.BadStatusLine)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return self.headers["lambda-runtime-aws-request-id"]


class Client:
    """One connection to the double, made at once."""

    def __init__(self, api: RuntimeDouble, *, send_buffer: int | None = None) -> None:
        self._host = api.address
        self._method = "GET"
        host, _, port = api.address.partition(":")
        self.socket = socket.socket()
        self.socket.settimeout(LIMIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if send_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        try:
            self.socket.connect((host, int(port)))
        except OSError:
            self.close()
            raise

    def start(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a request's head."""
        self._method = method
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish(self) -> Reply:
        """Read the response."""
        with http.client.HTTPResponse(self.socket, method=self._method) as response:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A request and its response; bytes as they are, other bodies as JSON."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.start(method, path, {"Content-Length": str(len(data))} | dict(headers or {}))
        self.send(data)
        return self.finish()

    def next(self) -> Reply:
        return self.ask("GET", NEXT)

    def respond(self, event: Reply, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask("POST", f"/2018-06-01/runtime/invocation/{event.request_id}/response", body, headers)

    def fail(self, event: Reply, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask("POST", f"/2018-06-01/runtime/invocation/{event.request_id}/error", body, headers)

    def stream(self, event: Reply, **changed: str | None) -> None:
        """Start a streamed response. Header names in `changed` have underscores; None leaves a header out."""
        headers = STREAMED | {name.replace("_", "-"): value for name, value in changed.items()}
        path = f"/2018-06-01/runtime/invocation/{event.request_id}/response"
        self.start("POST", path, {name: value for name, value in headers.items() if value is not None})

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask("POST", f"/2018-06-01/runtime/{path}", body, headers)

    def is_closed(self) -> bool:
        """Wait for the other side to close it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
