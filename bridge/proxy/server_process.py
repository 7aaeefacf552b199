"""One process of the web server: its start, and the end of all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404  # the command is that of the function's author
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bridge.errors import OriginNotStarted
from bridge.proxy.descendants import kill_all
from bridge.proxy.stderr import Stderr
from bridge.proxy.watcher import Watcher

__all__ = ["ServerProcess", "describe"]

# The flag of a process that is ending, which the kernel sets before it closes the files: PF_EXITING in Linux's
# include/linux/sched.h. The flags are the seventh value after the name in /proc/PID/stat: proc_pid_stat(5).
_PF_EXITING = 4


class ServerProcess:
    """A process that leads a session of its own, and a watcher that ends it should this process end without doing so.

    `command`: the program and its arguments. `env`: its environment variables; it gets one more, the mark of its
    descendants. Raises OriginNotStarted if the program cannot be run.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._guard = threading.Lock()
        self._is_over = False
        self._owner = os.getpid()
        # In the name, and not in the value: a web server of a web server has both marks.
        self._mark = f"_BRIDGE_SERVER_{os.urandom(8).hex()}"
        try:
            self._watcher = Watcher(self._mark)  # before the server, so that there is no moment without it
        except (OSError, subprocess.SubprocessError) as exc:
            raise OriginNotStarted(f"The watcher of the web server could not be started: {exc}.") from exc
        try:
            self._process = _started(command, {**env, self._mark: "1"})
            self._watcher.watch(self._process.pid)
        except BaseException:
            self._watcher.stop()
            raise
        assert self._process.stderr is not None
        self.stderr = Stderr(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def is_ending(self) -> bool:
        """True if it has ended, or is just ending. Systems other than Linux do not tell the second."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
                flags = stat.read().rpartition(")")[2].split()[6]
        except OSError:  # it has ended, or there is no /proc
            return self.has_ended
        return bool(int(flags) & _PF_EXITING)

    def wait(self, limit: float | None = None) -> int:
        """Wait for its end, and return its exit status. Raises TimeoutError after `limit` seconds."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None

    def terminate(self) -> None:
        """Send it SIGTERM, if it has not ended. In a fork of this process do nothing."""
        if os.getpid() == self._owner:
            with suppress(OSError):
                self._process.terminate()

    def end_all(self) -> None:
        """Kill what is left of it and its descendants, and wait for their end. Idempotent.

        Only the first call kills: later the process id may be another process's.
        """
        with self._guard:
            if not self._is_over:
                self._is_over = True
                kill_all(self.pid, self._mark)
                self._process.wait()
                self._watcher.stop()


def _started(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # nosec B603  # the command is that of the function's author, and no shell reads it
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C ends this process, which then stops the server and its children
        )
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise OriginNotStarted(f"The web server could not be started: {exc}. Its command: {command}") from exc


def describe(status: int) -> str:
    """Describe an exit status."""
    if status == 0:
        return "exited with status 0. Did it go into the background? It must stay in the foreground"
    if status > 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
