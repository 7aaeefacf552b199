"""The life of Proxy's web server: its start, the wait until it is ready, and its end."""

from __future__ import annotations

import logging
import math
import weakref
from typing import TYPE_CHECKING

import anyio

from bridge._httpx import httpx
from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.launch import launch
from bridge.proxy.readiness import Probe, Readiness

if TYPE_CHECKING:
    from bridge.proxy.process import OriginProcess
    from bridge.proxy.settings import OriginSettings

__all__ = ["Origin"]

logger = logging.getLogger("bridge")

# How long a server may take to end after a signal, in seconds, before it is killed. In Lambda the environment ends
# sooner: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
STOP_GRACE = 5.0
STOP_PAUSE = 0.01

# How long to wait, in seconds, for the news that a server has ended that does not listen any more: its sockets are
# closed a moment before its process is gone.
EXIT_NOTICE = 0.25


class Origin:
    """One web server. `process`: None if something else starts it. It does not belong to an event loop.

    `server`: a transport to its address. `probe`: one to the address of the readiness check.
    """

    def __init__(self, settings: OriginSettings, process: OriginProcess | None, *, server: Probe, probe: Probe) -> None:
        self.settings = settings
        self._process = process
        self._server = server
        self._readiness = Readiness(probe, settings, check_alive=_always_alive if process is None else process.check)
        if process is not None:
            # A handler that is forgotten without close() holds no port. Not before the exit: atexit waits for its end.
            weakref.finalize(self, process.terminate).atexit = False
        # The number of exits after which the server was last found ready; -1 before that.
        self._ready_after = -1

    async def startup(self) -> None:
        """Start the server, and wait until it is ready. If that fails, end the server and raise OriginNotStarted."""
        self._ready_after = -1
        try:
            if self._process is not None:
                launch(self._process, self.settings)
            await self._wait(self.settings.startup_limit)
        except OriginLost:
            assert self._process is not None
            await self.shutdown()
            raise OriginNotStarted(f"The web server ended before it was ready: {self._process.report}") from None
        except OriginNotStarted:
            if not self.settings.waits_in_first_request or self._exits:
                await self.shutdown()
                raise
            logger.warning("The web server is not ready yet: the first request will wait for it.")
        except BaseException:
            await self.shutdown()
            raise

    async def ready(self) -> None:
        """Return when the server is ready, however long that takes. Raises OriginLost."""
        if not self.is_ready:
            await self._wait(math.inf)

    @property
    def is_ready(self) -> bool:
        """Return whether the server was found ready, and has not ended since."""
        return self._ready_after == self._exits

    async def wait_again(self) -> None:
        """Wait after a restore until the server is ready again. Raises OriginNotStarted."""
        self._ready_after = -1
        await self._wait(self.settings.init_limit)

    async def _wait(self, limit: float) -> None:
        exits = self._exits
        await self._readiness.wait(limit)
        if self._process is not None:
            self._process.was_ready()
        self._ready_after = exits

    @property
    def _exits(self) -> int:
        return 0 if self._process is None else self._process.exits

    async def check_after_failure(self) -> None:
        """Find out whether a request failed because the server ended. Raises OriginLost if it has ended for good.

        A server that still listens is alive, and not waited for. The kernel closes the sockets of a process that ends
        in any order, so a listener may be left for a moment.
        """
        if self._process is None:
            return
        with anyio.move_on_after(EXIT_NOTICE):
            if self._process.is_ending or not await self._listens():
                while self.is_ready:  # noqa: ASYNC110  # written by a thread
                    await anyio.sleep(STOP_PAUSE)
        self._process.check()

    async def _listens(self) -> bool:
        try:
            await self._server.check_connection()
        except httpx.ConnectError:
            return False
        return True

    async def shutdown(self) -> None:
        """Stop the server, if it is ours: with a signal, and after STOP_GRACE seconds by killing its process group."""
        process = self._process
        if process is None or not process.terminate():
            return
        try:
            with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_GRACE):
                # Not in a thread, because none can be started any more when this runs at the interpreter's end.
                while not process.has_ended:  # noqa: ASYNC110
                    await anyio.sleep(STOP_PAUSE)
        finally:  # a shield does not hold against asyncio's own task.cancel()
            process.kill()


def _always_alive() -> None:
    """Check a server that something else started: nothing is known of its process."""
