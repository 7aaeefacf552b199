"""Settings of Proxy's web server: its address and its readiness check, with Lambda Web Adapter's names and meanings.

https://github.com/aws/aws-lambda-web-adapter
"""

from __future__ import annotations

import math
import re
import socket
from typing import Any, Literal

from bridge.deadline import DEADLINE_MARGIN, parse_margin
from bridge.init_phase import has_long_init, init_limit
from bridge.path_guard import canonical_path
from bridge.proxy.address import Address
from bridge.settings_base import SettingsBase, flag, from_environment, or_none, refusal, status_codes

__all__ = ["OriginSettings"]

# How long an idle connection is kept, in seconds: less than the 5 s after which Node, uvicorn and others close theirs.
POOL_IDLE_TIMEOUT = 4.0

# How long startup may wait in a short init phase, in seconds: Lambda ends that after 10 s.
INIT_LIMIT = 9.8

# Labels with dots between them: a name, or an IPv4 address.
_HOST = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?"


def _host(name: str, value: object) -> str:
    if isinstance(value, str) and (re.fullmatch(_HOST, value, re.ASCII) or _is_ipv6(value)):
        return value
    raise refusal(name, value, "a host name or an IP address, without brackets and port")


def _is_ipv6(value: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, value)
    except (OSError, ValueError):
        return False
    return True


def _port(name: str, value: object) -> int:
    number: Any = value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        number = int(value)
    if type(number) is not int or not 0 < number < 65536:
        raise refusal(name, value, "a port from 1 to 65535")
    return int(number)


def _path(name: str, value: object) -> str:
    """Check a request-target in origin form (RFC 9112, 3.2.1)."""
    if isinstance(value, str) and value.startswith("/") and all("!" <= char <= "~" and char != "#" for char in value):
        return value
    raise refusal(name, value, "a path that starts with a slash, percent-encoded")


def _hook_path(name: str, value: object) -> str:
    if value in ("", None):
        return ""
    path = _path(name, value)
    if "?" in path or canonical_path(path) in ("/", "/%"):
        raise refusal(name, value, "a path of its own, without a query, such as '/hooks/restored'")
    return path


def _protocol(name: str, value: object) -> str:
    if isinstance(value, str) and value.lower() in ("http", "tcp"):
        return value.lower()
    raise refusal(name, value, "'http' or 'tcp'")


def _seconds(name: str, value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (OverflowError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise refusal(name, value, "a number of seconds")
    return seconds


def _idle_seconds(name: str, value: object) -> float:
    seconds = _seconds(name, value)
    if seconds < 0:
        raise refusal(name, value, "a number of seconds, or 0 for a connection for each request")
    return seconds


def _healthy(name: str, value: object) -> frozenset[int]:
    codes = status_codes(name, value)
    if not codes:
        raise refusal(name, value, "at least one status code: without any the server would never be ready")
    return codes


def _healthy_below(value: str) -> str:
    """Return the healthy codes for the first unhealthy one, with which Lambda Web Adapter was set before 1.0."""
    if re.fullmatch(r"[1-5]\d\d", value, re.ASCII) and int(value) > 100:
        return f"100-{int(value) - 1}"
    raise refusal("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", value, "a status code from 101 to 599")


def _uds(name: str, value: object) -> str:
    if value in ("", None):
        return ""
    # The kernel's sockaddr_un has room for 107 bytes on Linux, 103 on macOS.
    if (
        isinstance(value, str)
        and value.startswith("/")
        and len(value.encode("utf-8", "surrogatepass")) <= 103
        and value.isprintable()
    ):
        return value
    raise refusal(name, value, "the absolute path of a socket, of 103 bytes at most")


class OriginSettings(SettingsBase):
    """The web server's address and its readiness check. An argument beats the environment.

    `host` (AWS_LWA_HOST), `port` (AWS_LWA_PORT, PORT): the address of the server; or `uds` (BRIDGE_UDS): the path
    of its UNIX socket, in place of both.

    `readiness_protocol` (AWS_LWA_READINESS_CHECK_PROTOCOL): the check, "http" (a GET that is answered with one of
    `healthy_status`, AWS_LWA_READINESS_CHECK_HEALTHY_STATUS) or "tcp" (a connection). `readiness_port`
    (AWS_LWA_READINESS_CHECK_PORT): `port` by default. `readiness_path` (AWS_LWA_READINESS_CHECK_PATH).
    `readiness_timeout` (AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS), in seconds: by default the time of the init
    phase; 0 or less means no limit.

    `async_init` (AWS_LWA_ASYNC_INIT): if the server is not ready when the init phase ends, the first request waits for
    it. Ignored under SnapStart and provisioned concurrency, where no request waits during the init phase.

    `pool_idle_timeout` (AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS), in seconds: how long an idle connection may be used again;
    0 means a connection for each request.

    `before_checkpoint_path` (AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH) and `after_restore_path`
    (AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH): paths that get an empty POST around a SnapStart snapshot. No client
    reaches them.

    `deadline_margin` (BRIDGE_DEADLINE_MARGIN, there in milliseconds): how long before the invocation's deadline a
    request is given up, in seconds.

    `given`: the names of Proxy's arguments that were given, which an error's advice depends on.

    Raises ConfigurationError, which names the setting, its value and what is accepted.
    """

    host: str = from_environment("AWS_LWA_HOST", deprecated=("HOST",), check=_host, default="127.0.0.1")
    port: int = from_environment("AWS_LWA_PORT", "PORT", check=_port, default=8080)
    uds: str = from_environment("BRIDGE_UDS", check=_uds, default="")
    readiness_protocol: Literal["http", "tcp"] = from_environment(
        "AWS_LWA_READINESS_CHECK_PROTOCOL", deprecated=("READINESS_CHECK_PROTOCOL",), check=_protocol, default="http"
    )
    readiness_port: int | None = from_environment(
        "AWS_LWA_READINESS_CHECK_PORT", deprecated=("READINESS_CHECK_PORT",), check=or_none(_port), default=None
    )
    readiness_path: str = from_environment(
        "AWS_LWA_READINESS_CHECK_PATH", deprecated=("READINESS_CHECK_PATH",), check=_path, default="/"
    )
    healthy_status: frozenset[int] = from_environment(
        "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS",
        converted={
            "AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS": _healthy_below,
            "READINESS_CHECK_MIN_UNHEALTHY_STATUS": _healthy_below,
        },
        check=_healthy,
        default="100-499",
    )
    readiness_timeout: float | None = from_environment(
        "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS", check=or_none(_seconds), default=None
    )
    async_init: bool = from_environment("AWS_LWA_ASYNC_INIT", deprecated=("ASYNC_INIT",), check=flag, default=False)
    pool_idle_timeout: float = from_environment(
        "AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS", check=_idle_seconds, default=POOL_IDLE_TIMEOUT
    )
    before_checkpoint_path: str = from_environment(
        "AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH", check=_hook_path, default=""
    )
    after_restore_path: str = from_environment("AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH", check=_hook_path, default="")
    deadline_margin: float = from_environment("BRIDGE_DEADLINE_MARGIN", parse=parse_margin, default=DEADLINE_MARGIN)
    given: frozenset[str] = from_environment(default=frozenset())

    @property
    def address(self) -> Address:
        return Address("localhost", 80, self.uds) if self.uds else Address(self.host, self.port)

    @property
    def readiness_address(self) -> Address:
        """Return the address of the readiness check: the server's own, unless there is a port for the check."""
        return self.address if self.readiness_port is None else Address(self.host, self.readiness_port)

    @property
    def how_to_set_address(self) -> str:
        """Return what sets the address, for an error's advice."""
        return "the argument url" if "url" in self.given else self.how_to_set("uds" if self.uds else "port")

    def how_to_set(self, name: str) -> str:
        """Return what sets a setting, for an error's advice. A variable has no effect beside an argument."""
        argument = f"the argument {name}"
        return argument if name in self.given else f"{argument} or the variable {self._variables[name].names[0]}"

    @property
    def advice(self) -> str:
        """Return what to do about a server that is not ready in time."""
        check = (
            ""
            if self.readiness_protocol == "tcp"
            else f", the path of the check with {self.how_to_set('readiness_path')}"
        )
        where = self.how_to_set_address if self.readiness_port is None else self.how_to_set("readiness_port")
        longer = self.how_to_set("readiness_timeout")
        if not has_long_init() and not self.async_init:
            longer += f", or {self.how_to_set('async_init')} with the value true"
        return (
            f"Does it listen there? The address is set with {where}{check}. A server that needs longer needs {longer}."
        )

    @property
    def init_limit(self) -> float:
        """Return how long startup may wait, in seconds."""
        if self.readiness_timeout is not None:
            return self.readiness_timeout if self.readiness_timeout > 0 else math.inf
        return init_limit() if has_long_init() else INIT_LIMIT

    @property
    def startup_limit(self) -> float:
        """Return `readiness_timeout`, but with async init at most the time until the end of the init phase."""
        return min(self.init_limit, INIT_LIMIT) if self.waits_in_first_request else self.init_limit

    @property
    def waits_in_first_request(self) -> bool:
        return self.async_init and not has_long_init()
