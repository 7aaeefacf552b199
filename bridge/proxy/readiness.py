"""The wait for the web server: a check every 10 ms until it is ready."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import anyio

from bridge._httpx import httpx
from bridge._messages import WHOLE_RESPONSE, EventRequest
from bridge.errors import OriginNotStarted

if TYPE_CHECKING:
    from bridge.proxy.settings import OriginSettings

__all__ = ["Probe", "Readiness"]

logger = logging.getLogger("bridge")

# The pause between two checks, in seconds: a check costs some 0.5 ms of CPU, and all of the pause is cold start.
PAUSE = 0.01

# The interval of log lines about the wait, in seconds, as in Lambda Web Adapter.
PROGRESS_INTERVAL = 2.0

# How long one check may take, in seconds: after that a request that hangs is tried again.
ATTEMPT_TIMEOUT = 5.0


class Probe(Protocol):
    """A transport to the server that makes a connection for each request."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response, whole if the request asks for that."""

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
        failure: BaseException | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._report)
            try:
                with anyio.fail_after(None if math.isinf(limit) else limit):
                    await self._ready()
            except TimeoutError:
                failure = OriginNotStarted(self._diagnosis(limit))
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as exc:  # raised after the task group, which would wrap it
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure from failure.__cause__

    async def _ready(self) -> None:
        while True:
            self._check_alive()
            with anyio.move_on_after(ATTEMPT_TIMEOUT) as scope:
                self._last = await self._check()
                if not self._last:
                    return
            if scope.cancelled_caught:
                self._last = f"no answer within {ATTEMPT_TIMEOUT:g} s"
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
            request.extensions[WHOLE_RESPONSE] = True
            response = await self._probe.handle_async_request(request)
        except httpx.HTTPError as exc:
            return str(exc) or type(exc).__name__
        if response.status_code in self._settings.healthy_status:
            return ""
        return f"GET {self._settings.readiness_path} was answered with status {response.status_code}"

    async def _report(self) -> None:
        waited = 0.0
        while True:
            await anyio.sleep(PROGRESS_INTERVAL)
            waited += PROGRESS_INTERVAL
            logger.warning("%s is not ready after %.0f s: %s.", self._where, waited, self._last)

    @property
    def _where(self) -> str:
        return f"The web server at {self._settings.readiness_address}"

    def _diagnosis(self, limit: float) -> str:
        return (
            f"{self._where} was not ready within {limit:g} s: {self._last}. Does it listen there? Its port is "
            "AWS_LWA_PORT, the path of the check AWS_LWA_READINESS_CHECK_PATH; a server that needs longer needs "
            "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS or AWS_LWA_ASYNC_INIT=true."
        )
