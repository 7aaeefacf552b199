"""The address at which the web server listens: a TCP port or a UNIX socket."""

from __future__ import annotations

import re
from typing import NamedTuple

from bridge.settings_base import refusal

__all__ = ["Address", "parse_url"]

# The port may be missing, or empty: RFC 3986, 3.2.3.
_URL = r"http://(?:\[([0-9A-F:.]+)\]|([A-Z0-9._-]+))(?::([0-9]{0,5}))?/?"


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


def parse_url(url: object) -> Address:
    """Return the address in "http://host:port" or "unix:/path". Raises ConfigurationError for anything else."""
    if isinstance(url, str) and url.startswith("unix:/"):
        return Address("localhost", 80, "/" + url.removeprefix("unix:").lstrip("/"))
    match = re.fullmatch(_URL, url, re.ASCII | re.IGNORECASE) if isinstance(url, str) else None
    port = int(match[3] or 80) if match else 0
    if match is None or not 0 < port < 65536:
        raise refusal("url", url, "'http://host:port' or 'unix:/path/to/socket', without a path after the port")
    return Address((match[1] or match[2]).lower(), port)
