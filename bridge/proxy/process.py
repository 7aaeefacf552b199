"""The web server as a child process: its start, its end, and one restart after an unwanted exit.

A thread watches the process, because a handler's event loop does not run between invocations, and a process can end at
any time.
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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

from bridge.errors import OriginLost, OriginNotStarted
from bridge.signals import sigterm

__all__ = ["OriginProcess"]

logger = logging.getLogger("bridge")

# How many of its last lines on stderr are logged with its exit: about one traceback, within one log line of CloudWatch.
LAST_LINES = 30
MAX_LINE = 1000

# In bytes: a line that is longer is passed on in pieces of this length.
_MAX_PIECE = 65536

# How long a server may take to end, in seconds, when this process ends and no event loop waits for it.
_EXIT_GRACE = 1.0

# How long to wait for the rest of stderr, in seconds, once the process has ended: one of its children may hold it open.
# The requests that have failed wait for the report.
_STDERR_GRACE = 0.1

# The bit of a process's flags that the kernel sets before it closes the files of a process that ends:
# /proc/PID/stat, proc_pid_stat(5), and PF_EXITING in Linux's include/linux/sched.h.
_PF_EXITING = 4

# prctl(2): the kernel sends a child this signal when the thread that started it has ended.
_PR_SET_PDEATHSIG = 1


class OriginProcess:
    """One web server. After its first unwanted exit it is started again; after the second one it is lost.

    `command`: the program and its arguments, without a shell. `env`: all of its environment variables. The server
    writes to this process's stdout; its stderr is passed on, line by line. On Linux the server does not outlive this
    process, however that ends: an orphan would hold the port of the next environment's server.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str]) -> None:
        self.command = list(command)
        self._env = dict(env)
        self._guard = threading.Lock()
        self._life: object = None  # from a start() to the next stop or start()
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: _Stderr
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
        process = self._process
        return None if process is None else process.pid

    @property
    def is_started(self) -> bool:
        """True if the server was started, and not stopped since. It may have ended by itself."""
        return self._process is not None

    def start(self) -> None:
        """Start the server. Raises OriginNotStarted if the program cannot be run."""
        with self._guard:
            life = self._life = object()
            self.is_lost, self._restarts_left, self.exits = False, 0, 0
        started: Future[None] = Future()
        # The thread that starts the server has to live as long as the server: see _PR_SET_PDEATHSIG.
        threading.Thread(target=self._live, args=(life, started), name="bridge origin", daemon=True).start()
        atexit.register(self._end_with, os.getpid())
        started.result()

    def _live(self, life: object, started: Future[None]) -> None:
        """Start the server and watch it, and the next one after its first exit."""
        try:
            process = self._spawn(life)
        except Exception as exc:
            started.set_exception(exc)
            return
        started.set_result(None)
        while process is not None and self._goes_on(life, process, process.wait()):
            try:
                process = self._spawn(life)
            except OriginNotStarted as exc:
                logger.error("%s", exc)
                self.is_lost = True
                return

    def _spawn(self, life: object) -> subprocess.Popen[bytes] | None:
        """Start one process. None if the server was stopped meanwhile, or started anew."""
        with self._guard:
            if self._life is not life:
                return None
            try:
                process = subprocess.Popen(
                    self.command,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C ends this process, which then stops the server and its children
                    preexec_fn=_die_with_parent(),
                )
            except (OSError, ValueError, subprocess.SubprocessError) as exc:
                command = f"Its command: {self.command}"
                raise OriginNotStarted(f"The web server could not be started: {exc}. {command}") from exc
            self._process, self._stderr = process, _Stderr(process)
            return process

    def _goes_on(self, life: object, process: subprocess.Popen[bytes], status: int) -> bool:
        """Report the end of the process. Return whether it is started again."""
        stderr = self._stderr
        _kill_group(process)  # its children may hold its port, and its stderr
        last_words = stderr.last_words()
        with self._guard:
            if self._life is not life:
                return False
            self.report = f"{self.name} {_status(status)}.{last_words}"
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

    @property
    def is_ending(self) -> bool:
        """True if the server's process has ended, or is being ended by the kernel. On Linux alone the second is known.

        A connection that broke because the process ended did so after this became true.
        """
        process = self._process
        if process is None or not sys.platform.startswith("linux"):
            return self.has_ended
        try:
            with open(f"/proc/{process.pid}/stat", encoding="ascii", errors="replace") as stat:
                flags = stat.read().rpartition(")")[2].split()[6]
        except OSError:  # it is gone already
            return True
        return bool(int(flags) & _PF_EXITING)

    def end(self) -> None:
        """Stop the server, and kill it if that needs more than _EXIT_GRACE seconds. Blocks. Idempotent."""
        process = self._process
        if process is not None and self.terminate():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_GRACE)
        self.kill()

    close_on_sigterm = end

    def interrupt(self, then: Callable[[], None]) -> bool:
        """Return False: no call must be cancelled before the server is ended."""
        return False

    def kill(self) -> None:
        """Kill the server and all its children. Idempotent."""
        atexit.unregister(self._end_with)
        sigterm.leave(self)
        with self._guard:
            self._life = None
            process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            logger.warning("The web server did not stop when it was told to: it is killed.")
        _kill_group(process)
        process.wait()


class _Stderr:
    """A thread that passes a process's stderr on and keeps its last lines."""

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
                # sys.stderr may be None, closed, or any object; the server must not wait for a reader.
                with suppress(Exception):
                    sys.stderr.write(text)
                    sys.stderr.flush()

    def last_words(self) -> str:
        """Wait for its end, up to _STDERR_GRACE seconds, and describe it."""
        self._thread.join(_STDERR_GRACE)
        lines = "".join(f"\n    {line}" for line in list(self._lines))
        return f" Its last lines on stderr:{lines}" if lines else " It wrote nothing to stderr."


def _status(status: int) -> str:
    """Describe an exit status."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the rest of the process group that the process leads."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _die_with_parent() -> Callable[[], None] | None:
    """Return the function that a child calls before it becomes the server; None on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec that could deadlock
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
