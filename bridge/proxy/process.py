"""The web server as a child process: started, watched, started again once, stopped.

A thread watches it and no event loop does: a handler's loop rests between invocations, and a process ends whenever it
likes.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.errors import OriginLost, OriginNotStarted

if TYPE_CHECKING:
    from bridge.proxy.address import Address
    from bridge.proxy.settings import OriginSettings

__all__ = ["OriginProcess", "launch"]

logger = logging.getLogger("bridge")

# How many of its last lines on stderr are told with its exit: about one traceback, within one log line of CloudWatch.
LAST_LINES = 30
MAX_LINE = 1000

# A line that does not end is passed on in pieces of so many bytes.
_MAX_PIECE = 65536

# How long a server may take to end, in seconds, when this process ends and nobody has closed the handler.
_EXIT_GRACE = 1.0

# How long to wait for the rest of stderr, in seconds, once the process has ended: something of it may hold it open. The
# requests that have failed wait for the word about it.
_STDERR_GRACE = 0.1

# How long an earlier server, which may just be ending, can hold the address, in seconds, and how often to look.
PORT_GRACE = 1.0
_PORT_PAUSE = 0.01

# prctl(2): what the kernel sends to a child when the thread that started it is gone.
_PR_SET_PDEATHSIG = 1


def launch(process: OriginProcess, settings: OriginSettings) -> None:
    """Start the server, unless it runs already. Raises OriginNotStarted, also if something else has its address."""
    if process.is_started:
        return
    for address in {settings.address, settings.readiness_address}:
        _check_free(address)
    process.start()


def _check_free(address: Address) -> None:
    """Raise OriginNotStarted if something listens there: it would be taken for the server that is to be started.

    Blocks, because it runs before an event loop is imported, but only where something listens.
    """
    end = time.monotonic() + PORT_GRACE
    while _is_listening(address):
        if time.monotonic() > end:
            raise OriginNotStarted(
                f"Something else listens at {address} already, so the web server cannot be started there: end it, or "
                "use another port with AWS_LWA_PORT."
            )
        time.sleep(_PORT_PAUSE)


def _is_listening(address: Address) -> bool:
    try:
        if address.uds is None:
            socket.create_connection((address.host, address.port), PORT_GRACE).close()
        else:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(address.uds)
    except OSError:
        return False
    return True


class OriginProcess:
    """One web server. After its first unwanted exit it is started again; after the second one it is lost.

    `command`: the program and its arguments; no shell. `env`: all of its environment variables. stdout is this
    process's own; stderr is passed on, line by line. On Linux the server does not outlive this process, however that
    ends: an orphan would hold the port of the next environment's server.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self._env = dict(env)
        self._guard = threading.Lock()
        self._life: object = None  # from one start() to the next
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: _Stderr
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
        process = self._process
        return None if process is None else process.pid

    @property
    def is_started(self) -> bool:
        """Whether it was started, and not stopped since; it may have ended by itself."""
        return self._process is not None

    def start(self) -> None:
        """Start it. Raises OriginNotStarted if there is no such program."""
        with self._guard:
            life = self._life = object()
            self._stopping, self.is_lost, self._restarts_left, self.exits = False, False, 0, 0
        started: Future[None] = Future()
        # The thread that starts the server lives as long as the server: the kernel asks about that thread.
        threading.Thread(target=self._live, args=(life, started), name="bridge origin", daemon=True).start()
        atexit.register(self._end_with, os.getpid())
        started.result()

    def _live(self, life: object, started: Future[None]) -> None:
        """Start the server and watch it, and the one that takes its place."""
        try:
            process = self._spawn(life)
        except Exception as exc:
            started.set_exception(exc)
            return
        started.set_result(None)
        while process is not None and self._goes_on(process, process.wait()):
            try:
                process = self._spawn(life)
            except OriginNotStarted as exc:
                logger.error("%s", exc)
                self.is_lost = True
                return

    def _spawn(self, life: object) -> subprocess.Popen[bytes] | None:
        """None if it was stopped meanwhile, or started anew."""
        with self._guard:
            if self._stopping or self._life is not life:
                return None
            try:
                process = subprocess.Popen(
                    self.command,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for us: we tell it to stop, and all that it has started
                    preexec_fn=_die_with_parent(),
                )
            except (OSError, ValueError, subprocess.SubprocessError) as exc:
                command = f"Its command: {self.command}"
                raise OriginNotStarted(f"The web server could not be started: {exc}. {command}") from exc
            self._process, self._stderr = process, _Stderr(process)
            return process

    def _goes_on(self, process: subprocess.Popen[bytes], status: int) -> bool:
        """What to do about its end. Whether it is to be started again."""
        stderr = self._stderr
        _kill_group(process)  # what it leaves behind may hold its port, and its stderr
        stderr.join()
        with self._guard:
            if self._stopping or process is not self._process:
                return False
            self.report = f"{self.name} {_status(status)}.{stderr.last_words()}"
            self.is_lost = self._restarts_left == 0
            self._restarts_left -= 1
            self.exits += 1
        what = "The web server ended" if self.is_lost else "The web server ended, and is started again, this once"
        logger.error("%s: %s", what, self.report)
        return not self.is_lost

    def _end_with(self, pid: int) -> None:
        """Nobody closed the handler: the server ends with this process all the same, but not with a forked child."""
        process = self._process
        if os.getpid() == pid and process is not None and self.terminate():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_GRACE)
            self.kill()

    def was_ready(self) -> None:
        """From now on its exit is no failed startup: it is started again, once."""
        with self._guard:
            if self.exits == 0:
                self._restarts_left = 1

    def check(self) -> None:
        """Raises OriginLost once it has ended for good."""
        if self.is_lost:
            when = "once more" if self.exits > 1 else "before it was ready"
            raise OriginLost(f"The web server ended {when}, so this environment ends too: {self.report}")

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
        process = self._process
        return process is None or process.poll() is not None

    def kill(self) -> None:
        """End it now, and all that it has started. Idempotent."""
        atexit.unregister(self._end_with)
        with self._guard:
            self._stopping = True
            process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            logger.warning("The web server did not stop when it was told to: it is killed.")
        _kill_group(process)
        process.wait()


class _Stderr:
    """Passes a process's stderr on as it comes, in a thread of its own, and remembers the end of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._thread = threading.Thread(target=self._pump, name="bridge origin stderr", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while piece := stream.readline(_MAX_PIECE):
                text = piece.decode("utf-8", "replace")
                self._lines.append(text.rstrip("\r\n")[:MAX_LINE])
                # Our own stderr may be None, closed, or anybody's object; the server must not wait for a reader.
                with suppress(Exception):
                    sys.stderr.write(text)
                    sys.stderr.flush()

    def join(self) -> None:
        self._thread.join(_STDERR_GRACE)

    def last_words(self) -> str:
        lines = "".join(f"\n    {line}" for line in list(self._lines))
        return f" Its last lines on stderr:{lines}" if lines else " It said nothing on stderr."


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


def _die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes the server; None where the kernel offers no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec nothing may be imported or looked up
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
