"""A process that ends the web server when this process ends without having done so: by SIGKILL, say, or a crash."""

from __future__ import annotations

import logging
import os
import subprocess  # nosec B404  # the command is fixed: a script and a module of this package
import sys
from contextlib import suppress
from typing import IO

from bridge.proxy import descendants

__all__ = ["Watcher"]

logger = logging.getLogger("bridge")

SHELL = "/bin/sh"

# A shell needs 0.8 ms of CPU and 0.4 MB, Python 6 ms and 3.5 MB: it starts Python only when this process has ended. If
# that fails, because there is no memory for example, it kills the process group itself.
_WAIT = """
trap '' HUP INT QUIT TERM
read -r leader
read -r end
"$@" "$leader" || kill -s KILL -- "-$leader"
"""

# The pipes whose end tells a watcher that this process has ended.
_pipes: set[IO[bytes]] = set()


class Watcher:
    """One watcher, which belongs to no process group of ours: what ends a group must not end it, too.

    `mark`: see `kill_all`. The watcher reads a pipe, which ends with this process. Without processes of POSIX nothing
    watches.
    """

    def __init__(self, mark: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.name != "posix":
            return
        self._process = subprocess.Popen(  # nosec B603  # a fixed command: a script and a module of this package
            _command(mark),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        _pipes.add(self._pipe)

    def watch(self, leader: int) -> None:
        """Name the web server's process."""
        if self._process is not None:
            with suppress(OSError):  # something has killed the watcher
                self._pipe.write(b"%d\n" % leader)

    def stop(self) -> None:
        """End the watcher. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            _pipes.discard(self._pipe)


def _command(mark: str) -> list[str]:
    # -I and -S: neither variables nor packages can change what this program does.
    program = [sys.executable or "python3", "-I", "-S", descendants.__file__, mark]
    if os.access(SHELL, os.X_OK):
        return [SHELL, "-c", _WAIT, SHELL, *program]
    logger.info("There is no %s: a Python process watches over the web server, which needs 4 MB of memory.", SHELL)
    return program


def _close_pipes() -> None:
    """A forked child that lives longer than this process must not keep the pipes open."""
    for pipe in tuple(_pipes):
        pipe.close()
    _pipes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_pipes)
