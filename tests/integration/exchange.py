"""HTTP requests and responses as bytes on a socket, and the values that encoders and decoders work on.

Header values are text of which each character is one byte (latin-1).
"""

import hashlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import h11

__all__ = ["ClientRequest", "ClientResponse", "Headers", "body_report", "by_name", "exchange", "values_of"]

Headers = tuple[tuple[str, str], ...]

# RFC 9112, 6.1 and 9.6: they describe the connection, so its other end removes them.
_OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding"})


@dataclass(frozen=True, kw_only=True)
class ClientRequest:
    """A client's request. `headers`: in the client's spelling and order, the Host header and the framing among them.

    `target`: the request-target, in ASCII. `body`: without the framing of a chunked upload. `peer`: the client's
    address.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    http_version: str = "1.1"
    peer: str = "127.0.0.1"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def is_chunked(self) -> bool:
        return values_of(self.headers, "transfer-encoding") == ["chunked"]

    def to_wire(self) -> bytes:
        lines = [
            f"{self.method} {self.target} HTTP/{self.http_version}",
            *(f"{n}: {v}" for n, v in self.headers),
            "",
            "",
        ]
        return "\r\n".join(lines).encode("latin-1") + (_chunked(self.body) if self.is_chunked else self.body)


@dataclass(frozen=True)
class ClientResponse:
    """The client's response. `headers`: lower-case names, repeats kept, in order, without those of the connection."""

    status: int
    headers: Headers
    body: bytes


def _chunked(body: bytes) -> bytes:
    """Return `body` in two chunks, which a receiver has to join."""
    half = len(body) // 2
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))


def exchange(port: int, request: ClientRequest) -> ClientResponse:
    """Send `request` byte for byte to the server on this port of the loopback interface, and read its response."""
    parser = h11.Connection(h11.CLIENT)
    # Never sent: the parser has to know the method, because a response to HEAD has no body.
    parser.send(h11.Request(method=request.method, target="/", headers=[("host", "parser")]))
    parser.send(h11.EndOfMessage())
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request.to_wire())
        return _read(connection, parser)


def _read(connection: socket.socket, parser: h11.Connection) -> ClientResponse:
    head: h11.Response | None = None
    parts: list[bytes] = []
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(connection.recv(1 << 20))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = ((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
            kept = tuple(pair for pair in headers if pair[0] not in _OF_THE_CONNECTION)
            return ClientResponse(head.status_code, kept, b"".join(parts))


def values_of(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Return all values of the header called `name` (lower case), in order."""
    return [value for key, value in headers if key.lower() == name]


def by_name(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return all values of every header. RFC 9110, 5.3: only the order within one name means something."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    return grouped


def body_report(body: bytes) -> tuple[int, str]:
    """Return the length and the digest of a body, so that a report on 6 MB stays small."""
    return len(body), hashlib.sha256(body).hexdigest()
