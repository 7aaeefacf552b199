"""The web server as a child process: its start, its end, and one restart after an unwanted exit.

A thread watches the process, because a handler's event loop does not run between invocations, and a process can end at
any time.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

from bridge.errors import OriginLost, OriginNotStarted
from bridge.proxy.server_process import ServerProcess, describe
from bridge.signals import sigterm

__all__ = ["OriginProcess"]

logger = logging.getLogger("bridge")

# How long a server may take to end, in seconds, when this process ends and no event loop waits for it.
_EXIT_GRACE = 1.0


class OriginProcess:
    """One web server. After its first unwanted exit it is started again; after the second one it is lost.

    `command`: the program and its arguments, without a shell. `env`: all of its environment variables. The server
    writes to this process's stdout; its stderr is passed on, line by line. The server and all that it starts do not
    outlive this process, however that ends: an orphan would hold the port of the next environment's server.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self._env = dict(env)
        self._guard = threading.RLock()  # which a signal handler can take that interrupts its owner
        self._life: object = None  # from a start() to the next stop or start()
        self._server: ServerProcess | None = None
        self._restarts_left = 0  # none before it was ready for the first time: then its exit is a failed startup
        # What happened so far: written by the watching thread, read by all.
        self.exits = 0
        self.report = ""  # of the last exit: status and last lines of stderr
        self.is_lost = False

    @property
    def name(self) -> str:
        return os.path.basename(self.command[0])

    @property
    def pid(self) -> int | None:
        server = self._server
        return None if server is None else server.pid

    @property
    def is_started(self) -> bool:
        """True if the server was started, and not stopped since. It may have ended by itself."""
        return self._server is not None

    def start(self) -> None:
        """Start the server. Raises OriginNotStarted if the program cannot be run."""
        with self._guard:
            life = self._life = object()
            self.is_lost, self._restarts_left, self.exits = False, 0, 0
        started: Future[None] = Future()
        # In a thread no signal handler interrupts the start between two of its steps.
        threading.Thread(target=self._live, args=(life, started), name="bridge origin", daemon=True).start()
        atexit.register(self._end_with, os.getpid())
        try:
            started.result()
        except BaseException:
            self.kill()
            raise

    def _live(self, life: object, started: Future[None]) -> None:
        """Start the server and watch it, and the next one after its first exit."""
        try:
            server = self._spawn(life)
        except Exception as exc:
            started.set_exception(exc)
            return
        started.set_result(None)
        while server is not None and self._goes_on(life, server):
            try:
                server = self._spawn(life)
            except OriginNotStarted as exc:
                logger.error("%s", exc)
                self.is_lost = True
                return

    def _spawn(self, life: object) -> ServerProcess | None:
        """Start one process. None if the server was stopped meanwhile, or started anew."""
        with self._guard:
            if self._life is not life:
                return None
            self._server = ServerProcess(self.command, self._env)
            return self._server

    def _goes_on(self, life: object, server: ServerProcess) -> bool:
        """Wait for the end of the process, and report it. Return whether it is started again."""
        status = server.wait()
        server.end_all()  # its children may hold its port, and its stderr
        last_words = server.stderr.last_words()
        with self._guard:
            if self._life is not life:
                return False
            self.report = f"{self.name} {describe(status)}.{last_words}"
            self.is_lost = self._restarts_left == 0
            self._restarts_left -= 1
            self.exits += 1
        what = "The web server ended" if self.is_lost else "The web server ended, and is started again, this once"
        logger.error("%s: %s", what, self.report)
        return not self.is_lost

    def _end_with(self, pid: int) -> None:
        """End the server with this process, `pid`, if the handler was not closed; but not with a forked child."""
        if os.getpid() == pid:
            self.end()

    def was_ready(self) -> None:
        """Record that the server was ready: from now on it is started again, once, after an exit."""
        with self._guard:
            if self.exits == 0:
                self._restarts_left = 1

    def check(self) -> None:
        """Raise OriginLost if the server has ended for good."""
        if self.is_lost:
            when = "once more" if self.exits > 1 else "before it was ready"
            raise OriginLost(f"The web server ended {when}, so this environment ends too: {self.report}")

    def terminate(self) -> bool:
        """Tell the server to stop. Return whether it was started."""
        with self._guard:
            self._life = None
            server = self._server
        if server is None:
            return False
        server.terminate()
        return True

    @property
    def has_ended(self) -> bool:
        server = self._server
        return server is None or server.has_ended

    @property
    def is_ending(self) -> bool:
        """True if the server has ended, or is just ending: before a connection breaks for that reason, on Linux."""
        server = self._server
        return server is None or server.is_ending

    def end(self) -> None:
        """Stop the server, and kill it if that needs more than _EXIT_GRACE seconds. Blocks. Idempotent."""
        server = self._server
        if server is not None and self.terminate():
            with suppress(TimeoutError):
                server.wait(_EXIT_GRACE)
        self.kill()

    close_on_sigterm = end

    def interrupt(self, then: Callable[[], None]) -> bool:
        """Return False: no call must be cancelled before the server is ended."""
        return False

    def kill(self) -> None:
        """Kill the server and all that it has started. Idempotent."""
        atexit.unregister(self._end_with)
        sigterm.leave(self)
        with self._guard:
            self._life = None
            server, self._server = self._server, None
        if server is None:
            return
        if not server.has_ended:
            logger.warning("The web server did not stop when it was told to: it is killed.")
        server.end_all()
