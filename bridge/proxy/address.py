"""The address at which the web server listens: a TCP port or a UNIX socket."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from bridge.settings import refusal

__all__ = ["Address", "parse_url"]


class Address(NamedTuple):
    """`host` and `port`, or else `uds`: the path of a UNIX socket."""

    host: str
    port: int
    uds: str | None = None

    @property
    def authority(self) -> str:
        """Return the Host header's value for requests of our own."""
        if self.uds is not None:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"unix:{self.uds}" if self.uds is not None else f"http://{self.authority}"


def parse_url(url: str) -> Address:
    """Return the address in "http://host:port" or "unix:/path". Raises ConfigurationError for anything else."""
    accepted = "'http://host:port' or 'unix:/path/to/socket', without a path after the port"
    if not isinstance(url, str):
        raise refusal("url", url, accepted)
    if url.startswith("unix:/"):
        return Address("localhost", 0, "/" + url.removeprefix("unix:").lstrip("/"))
    if not url.isprintable() or url != url.strip():  # urlsplit() drops what is not
        raise refusal("url", url, accepted)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, 80 if parts.port is None else parts.port
    except ValueError:
        raise refusal("url", url, accepted) from None
    if (
        parts.scheme != "http"
        or not host
        or not port
        or parts.path not in ("", "/")
        or parts.query
        or "@" in url
        or "#" in url
    ):
        raise refusal("url", url, accepted)
    return Address(host, port)
