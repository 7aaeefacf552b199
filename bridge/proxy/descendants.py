"""Everything that a process has started, however deep, and the end of it. Also the program of the watcher.

A process group is not enough: a web server or a child of it can make a session of its own, as daemons do. The first
process has a variable with a name of its own, its mark, which its descendants inherit: on Linux those that have it are
found, and what they have started.
"""

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

__all__ = ["descendants", "kill_all"]

# How long to wait until killed processes have ended, in seconds: one can be in the middle of a system call.
END_LIMIT = 5.0
_PAUSE = 0.001

# One search can miss a process that a dying one starts in that moment, as a daemon does.
_EMPTY_SEARCHES = 2

_PROCESSES = "/proc"


class _Process(NamedTuple):
    parent: int
    session: int
    is_marked: bool


def kill_all(leader: int | None, mark: str) -> None:
    """Kill the session that `leader` leads, all processes that have the variable `mark`, and their descendants.

    Return when they have ended.
    """
    found = descendants(leader, mark)  # before a kill: it would separate children from their parents
    if leader is not None:
        _kill_group(leader)
    end = time.monotonic() + END_LIMIT
    empty = 0
    while empty < _EMPTY_SEARCHES and time.monotonic() < end:
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)
        found = descendants(leader, mark, known=found)
        empty = 0 if found else empty + 1


def _kill_group(leader: int) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)  # which ends a process on Windows


def descendants(leader: int | None, mark: str, known: Collection[int] = ()) -> set[int]:
    """Return what `kill_all` would kill, and those of `known` that have not ended. Empty on other systems than Linux.

    It reads about each process of the machine: 0.02 ms for each.
    """
    running = _running(os.fsencode(mark))
    found: set[int] = set()
    more = {pid for pid, process in running.items() if process.is_marked or process.session == leader or pid in known}
    while more:
        found |= more
        more = {pid for pid, process in running.items() if process.parent in found} - found
    return found


def _running(mark: bytes) -> dict[int, _Process]:
    running = {}
    with suppress(OSError):
        for name in os.listdir(_PROCESSES):
            with suppress(OSError):  # it has ended, or is another user's
                if name.isdigit() and (process := _process(f"{_PROCESSES}/{name}", mark)) is not None:
                    running[int(name)] = process
    return running


def _process(folder: str, mark: bytes) -> _Process | None:
    """Return None if it has ended. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    # The name of the program is in parentheses and may contain anything.
    state, parent, _, session = _read(f"{folder}/stat").rpartition(b")")[2].split()[:4]
    if state in b"ZX":
        return None
    is_marked = False
    with suppress(OSError):
        is_marked = mark in _read(f"{folder}/environ")
    return _Process(int(parent), int(session), is_marked)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
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
