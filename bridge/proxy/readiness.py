"""The wait for the web server: a check every 10 ms until it is ready."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Protocol, cast

import anyio

from bridge._httpx import httpx
from bridge._messages import EventRequest
from bridge.errors import OriginNotStarted

if TYPE_CHECKING:
    from bridge.proxy.settings import OriginSettings

__all__ = ["Probe", "Readiness"]

logger = logging.getLogger("bridge")

# The pause between two checks, in seconds: a check costs some 0.5 ms of CPU, and all of the pause is cold start.
PAUSE = 0.01

# The interval of log lines about the wait, in seconds, as in Lambda Web Adapter. A check may make one later.
PROGRESS_INTERVAL = 2.0

# How long one check may take, in seconds: after that a request that hangs is tried again.
ATTEMPT_TIMEOUT = 5.0


# For how long the body of a check's response is read, in seconds: it may have no end.
BODY_LIMIT = 0.1


class Probe(Protocol):
    """A transport to the server that makes a connection for each request."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response."""

    async def check_connection(self) -> None:
        """Connect, and close the connection. Raises httpx.ConnectError."""


class Readiness:
    """The wait for one web server. `check_alive` raises when the server cannot become ready any more."""

    def __init__(self, probe: Probe, settings: OriginSettings, *, check_alive: Callable[[], None]) -> None:
        self._probe = probe
        self._settings = settings
        self._check_alive = check_alive
        self._last = "it was not asked yet"

    async def wait(self, limit: float) -> None:
        """Return when the server is ready. Raises OriginNotStarted after `limit` seconds, and as `check_alive` does."""
        try:
            with anyio.fail_after(limit):
                await self._ready()
        except TimeoutError:
            raise OriginNotStarted(self._diagnosis(limit)) from None

    async def _ready(self) -> None:
        start = reported = anyio.current_time()
        while True:
            self._check_alive()
            with anyio.move_on_after(ATTEMPT_TIMEOUT) as scope:
                self._last = await self._check()
                if not self._last:
                    return
            if scope.cancelled_caught:
                self._last = f"no answer within {ATTEMPT_TIMEOUT:g} s"
            now = anyio.current_time()
            if now - reported >= PROGRESS_INTERVAL:
                reported = now
                logger.warning("%s is not ready after %.0f s: %s.", self._where, now - start, self._last)
            await anyio.sleep(PAUSE)

    async def _check(self) -> str:
        """Return why the server is not ready; "" if it is."""
        try:
            if self._settings.readiness_protocol == "tcp":
                await self._probe.check_connection()
                return ""
            target = self._settings.readiness_path.encode("ascii")
            host = self._settings.readiness_address.authority.encode("ascii", "replace")
            headers = [(b"host", host), (b"user-agent", b"bridge-readiness")]
            request = EventRequest("GET", target, headers, b"", {})
            response = await self._probe.handle_async_request(request)
            await _drop_body(response)
        except httpx.HTTPError as exc:
            return str(exc)
        if response.status_code in self._settings.healthy_status:
            return ""
        return f"GET {self._settings.readiness_path} was answered with status {response.status_code}"

    @property
    def _where(self) -> str:
        return f"The web server at {self._settings.readiness_address}"

    def _diagnosis(self, limit: float) -> str:
        return f"{self._where} was not ready within {limit:g} s: {self._last}. {self._settings.advice}"


async def _drop_body(response: httpx.Response) -> None:
    """Read the body, although the status is all that counts: some servers log it as an error if a client leaves."""
    try:
        with anyio.move_on_after(BODY_LIMIT):
            async for _ in cast("AsyncIterable[bytes]", response.stream):
                pass
    finally:
        await response.aclose()
