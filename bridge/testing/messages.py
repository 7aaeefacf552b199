"""The values that the services work on: a client's request, and the response that the client gets.

Header values are text of which each character is one byte (latin-1), as on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

__all__ = ["ClientRequest", "ClientResponse", "Headers", "Refused", "by_name", "values_of"]

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class ClientRequest:
    """A client's request. `headers`: in the client's spelling and order, Host and the framing among them.

    `target`: the request-target, in ASCII: an encoded path, and a query. `body`: without the framing of a chunked
    upload. `client`: address and port. `server_port`: the port that the client connected to; None for the scheme's own.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    scheme: str = "https"
    http_version: str = "1.1"
    client: tuple[str, int] = ("203.0.113.7", 50000)
    server_port: int | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def host(self) -> str:
        return "".join(values_of(self.headers, "host")[:1])

    @property
    def port(self) -> str:
        return str(self.server_port or (80 if self.scheme == "http" else 443))

    @property
    def is_chunked(self) -> bool:
        return [value.lower() for value in values_of(self.headers, "transfer-encoding")] == ["chunked"]


@dataclass(frozen=True)
class ClientResponse:
    """The response that a service sends. `headers`: in the service's spelling of names, repeats kept, in order.

    `reasons`: one sentence for each thing that the service refused or changed.
    """

    status: int
    headers: Headers
    body: bytes = b""
    reasons: tuple[str, ...] = field(default=(), compare=False)

    def because(self, reason: str) -> ClientResponse:
        return replace(self, reasons=(*self.reasons, reason))


class Refused(Exception):
    """Raised for a request or a result that a service refuses. `response`: what its client gets instead."""

    def __init__(self, response: ClientResponse) -> None:
        super().__init__(" ".join(response.reasons))
        self.response = response


def values_of(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Return all values of the header called `name` (lower case), in order."""
    return [value for key, value in headers if key.lower() == name]


def by_name(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return all values of every header. RFC 9110, 5.3: only the order within one name means something."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    return grouped
