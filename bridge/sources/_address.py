"""The server and client addresses of the scope, from header values that any client may have forged.

Nothing here raises for a strange value: the application sees the header as it was sent, and the scope falls back to
the values that AWS itself gives.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge._types import Address, HeaderPairs


__all__ = ["client_address", "last_forwarded", "parse_host", "server_address"]

DEFAULT_PORTS = {"http": 80, "https": 443}

# reg-name and IPv4address of RFC 3986, 3.2.2, without the sub-delims that no host name has; RFC 1035, 2.3.4.
_HOST_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~%-")
_MAX_HOST_LENGTH = 255
_MAX_PORT = 65535


# A function answers under few host names; a client that varies them can only displace entries.
@lru_cache(maxsize=64)
def server_address(host: bytes | None, domain: str | None, port: bytes | None, scheme: str) -> Address | None:
    """Return `scope["server"]`: the Host header if it is valid, else the event's own domain name; None without either.

    `port`: x-forwarded-port, for a host without a port; the default port of the scheme comes last. With an invalid
    Host header, the domain name gets the default port.
    """
    fallback = _port(port.decode("latin-1") if port else None) or DEFAULT_PORTS.get(scheme, 443)
    if host is not None and (parsed := parse_host(host.decode("latin-1"))) is not None:
        return parsed[0], parsed[1] or fallback
    if domain is not None and (parsed := parse_host(domain)) is not None:
        return parsed[0], DEFAULT_PORTS.get(scheme, 443) if host is not None else fallback
    return None


def parse_host(value: str) -> tuple[str, int | None] | None:
    """Return host name and port of a Host header (RFC 9110, 7.2), or None if it is invalid. IPv6 loses its brackets."""
    if value.startswith("["):
        host, closed, rest = value[1:].partition("]")
        if not closed or not _is_ipv6(host) or not (rest == "" or rest.startswith(":")):
            return None
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = value.partition(":")
        if not 0 < len(host) <= _MAX_HOST_LENGTH or not _HOST_CHARACTERS.issuperset(host):
            return None
    if not colon or not port:  # "example.com:" is allowed by RFC 3986, 3.2.3
        return host, None
    number = _port(port)
    return None if number is None else (host, number)


def _port(value: str | None) -> int | None:
    if value is None or len(value) > len(str(_MAX_PORT)) or not (value.isascii() and value.isdecimal()):
        return None
    number = int(value)
    return number if 0 < number <= _MAX_PORT else None


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def client_address(value: object) -> Address | None:
    """Return `scope["client"]`: `(ip, 0)`, or None if the address is not known. AWS does not tell the client's port.

    Accepts "ip", "ip:port", "[ipv6]:port" and "ipv6", as AWS writes them.
    """
    return _client_address(value) if isinstance(value, str) and len(value) <= _MAX_HOST_LENGTH else None


# The same client often sends several requests in a row.
@lru_cache(maxsize=64)
def _client_address(value: str) -> Address | None:
    value = value.strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        ip_address(value.partition("/")[0])  # AWS's own samples have a "/32"
    except ValueError:  # "unknown", or what the console's Test button sends
        return None
    return value, 0


def last_forwarded(headers: HeaderPairs) -> str | None:
    """Return the last entry of x-forwarded-for: the load balancer appended it, after any that a client forged."""
    for name, value in reversed(headers):
        if name == b"x-forwarded-for":
            return value.decode("latin-1").rpartition(",")[2]
    return None
