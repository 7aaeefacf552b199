"""HTTP requests and responses as bytes on a socket."""

import hashlib
import socket

import h11

from bridge.testing.messages import ClientRequest, ClientResponse

__all__ = ["body_report", "exchange"]

# RFC 9112, 6.1 and 9.6: they describe the connection, so its other end removes them.
_OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding"})


def _to_wire(request: ClientRequest) -> bytes:
    lines = [
        f"{request.method} {request.target} HTTP/{request.http_version}",
        *(f"{name}: {value}" for name, value in request.headers),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + (_chunked(request.body) if request.is_chunked else request.body)


def _chunked(body: bytes) -> bytes:
    """Return `body` in two chunks, which a receiver has to join."""
    half = (len(body) + 1) // 2
    parts = [part for part in (body[:half], body[half:]) if part]  # an empty one would be the end
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def exchange(port: int, request: ClientRequest) -> ClientResponse:
    """Send `request` byte for byte to the server on this port of the loopback interface, and read its response."""
    parser = h11.Connection(h11.CLIENT)
    # Never sent: the parser has to know the method, because a response to HEAD has no body.
    parser.send(h11.Request(method=request.method, target="/", headers=[("host", "parser")]))
    parser.send(h11.EndOfMessage())
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(_to_wire(request))
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


def body_report(body: bytes) -> tuple[int, str]:
    """Return the length and the digest of a body, so that a report on 6 MB stays small."""
    return len(body), hashlib.sha256(body).hexdigest()
