"""The end of everything that the web server has started, however deep. Also the program of the watcher.

Its process group is not enough: a server or a child of it can make a session of its own, as daemons do. The web
server has a variable with a name of its own, which its descendants inherit: on Linux those that have it are found.
"""

import os
import signal
import sys
import time
from contextlib import suppress

__all__ = ["kill_all"]

# How long to wait until killed processes have ended, in seconds: one can be in the middle of a system call.
END_LIMIT = 1.0
_PAUSE = 0.001

_PROCESSES = "/proc"


def kill_all(leader: int | None, mark: str) -> None:
    """Kill the session that `leader` leads and all processes that have the variable `mark`. Wait for their end."""
    if leader is not None:
        _kill_group(leader)
    end = time.monotonic() + END_LIMIT
    while (found := _descendants(leader, mark)) and time.monotonic() < end:
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


def _kill_group(leader: int) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)  # which ends a process on Windows


def _descendants(leader: int | None, mark: str) -> list[int]:
    """Return the processes that have not ended. Empty on other systems than Linux."""
    try:
        pids = [int(name) for name in os.listdir(_PROCESSES) if name.isdigit()]
    except OSError:
        return []
    return [pid for pid in pids if _belongs(pid, leader, os.fsencode(mark))]


def _belongs(pid: int, leader: int | None, mark: bytes) -> bool:
    """https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    try:
        # The name of the program is in parentheses and may contain anything.
        state, _, _, session = _read(pid, "stat").rpartition(b")")[2].split()[:4]
        if state in b"ZX":
            return False
        return int(session) == leader or mark in _read(pid, "environ")
    except OSError:  # it has ended, or is another user's
        return False


def _read(pid: int, name: str) -> bytes:
    with open(f"{_PROCESSES}/{pid}/{name}", "rb") as file:
        return file.read()


def main(mark: str, leader: str | None = None) -> None:
    """Kill. Without a `leader` wait first until stdin ends, of which the first line is the leader."""
    if leader is None:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        leader = sys.stdin.read().strip()
    kill_all(int(leader) if leader else None, mark)


if __name__ == "__main__":
    main(*sys.argv[1:])
