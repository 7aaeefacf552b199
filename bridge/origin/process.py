"""The web server as a child process: started, watched, started again once, stopped.

Two threads watch it and no event loop does: a handler's loop rests between invocations, and a process ends whenever it
likes.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bridge.errors import OriginLost, OriginNotStarted

__all__ = ["OriginProcess"]

logger = logging.getLogger("bridge")

# How many of its last lines on stderr are told with its exit: about one traceback, within one log line of CloudWatch.
LAST_LINES = 30
MAX_LINE = 1000

# How long a server may take to end, in seconds, when this process ends and nobody has closed the handler.
_EXIT_GRACE = 1.0

# How long to wait for the rest of stderr, in seconds, once the process has ended: its children may hold it open.
_STDERR_GRACE = 0.5


class OriginProcess:
    """One web server. After its first unwanted exit it is started again; after the second one it is lost.

    `command`: the program and its arguments; no shell. `env`: all of its environment variables. stdout is this
    process's own; stderr is passed on, line by line.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self._env = dict(env)
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._stopping = False
        self._restarts_left = 0  # none before it was ready for the first time: then its exit is a failed startup
        # What happened, for whoever waits or sends a request: written by the watching thread, read by all.
        self.exits = 0
        self.report = ""  # of the last exit: status and last lines of stderr
        self.is_lost = False

    @property
    def name(self) -> str:
        return os.path.basename(self.command[0])

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it. Raises OriginNotStarted if there is no such program."""
        self._stopping, self.is_lost, self._restarts_left, self.exits = False, False, 0, 0
        self._spawn()
        atexit.register(self._end_with, os.getpid())

    def _end_with(self, pid: int) -> None:
        """Nobody closed the handler: without this the server would outlive the process. Not for a forked child."""
        process = self._process
        if os.getpid() == pid and process is not None and self.terminate():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_GRACE)
            self.kill()

    def _spawn(self) -> None:
        self._last_lines.clear()
        try:
            process = subprocess.Popen(
                self.command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: we tell it to stop, and all that it has started
            )
        except (OSError, ValueError) as exc:
            raise OriginNotStarted(f"The web server could not be started: {exc}. Its command: {self.command}") from exc
        self._process = process
        pump = threading.Thread(target=self._pump, args=(process,), name="bridge origin stderr", daemon=True)
        watch = threading.Thread(target=self._watch, args=(process, pump), name="bridge origin", daemon=True)
        pump.start()
        watch.start()

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        """Pass stderr on as it comes, and remember the end of it."""
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                text = line.decode("utf-8", "replace")
                self._last_lines.append(text.rstrip("\r\n")[:MAX_LINE])
                with suppress(OSError, ValueError):  # our own stderr may be closed
                    sys.stderr.write(text)
                    sys.stderr.flush()

    def _watch(self, process: subprocess.Popen[bytes], pump: threading.Thread) -> None:
        status = process.wait()
        pump.join(_STDERR_GRACE)
        with self._guard:
            if self._stopping or process is not self._process:
                return
            self.report = self._describe(status)
            self.is_lost = self._restarts_left == 0
            self.exits += 1
            if self.is_lost:
                logger.error("The web server ended: %s", self.report)
                return
            self._restarts_left -= 1
            logger.error("The web server ended, and is started again, this once: %s", self.report)
            try:
                self._spawn()
            except OriginNotStarted as exc:
                self.is_lost = True
                logger.error("%s", exc)

    def _describe(self, status: int) -> str:
        lines = "".join(f"\n    {line}" for line in self._last_lines)
        said = f" Its last lines on stderr:{lines}" if lines else " It said nothing on stderr."
        return f"{self.name} {_status(status)}.{said}"

    def was_ready(self) -> None:
        """From now on its exit is no failed startup: it is started again, once."""
        with self._guard:
            if self.exits == 0:
                self._restarts_left = 1

    def check(self) -> None:
        """Raises OriginLost once it has ended for the second time."""
        if self.is_lost:
            raise OriginLost(f"The web server ended once more, so this environment ends too: {self.report}")

    def terminate(self) -> bool:
        """Tell it to stop. Whether there is anything to stop."""
        with self._guard:
            self._stopping = True
        process = self._process
        if process is None:
            return False
        if process.poll() is None:
            with suppress(OSError):
                process.terminate()
        return True

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it now, and all that it has started. Idempotent."""
        atexit.unregister(self._end_with)
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            logger.warning("The web server did not stop when it was told to: it is killed.")
        _kill_group(process)
        process.wait()


def _status(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """What is left of its process group, which began with it."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
