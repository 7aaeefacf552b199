"""Runtimes that are forks of a process with everything imported: as isolated as others, and started in milliseconds.

Started as `python -m tests.runtime.nursery`, with a socket as its standard input.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bridge import startup_watch
from tests.runtime.processes import Process, Runtime

__all__ = ["Nursery"]

ROOT = Path(__file__).parents[2]

# The modules that a runtime imports before and after the function.
PRELOADED = """
    anyio._backends._asyncio h11 snapshot_restore_py
    bridge.runtime.invocations.blocking bridge.runtime.api.extension bridge.runtime.process bridge.runtime.api.errors
    bridge.runtime.invocations.serving bridge.runtime.invocations.slots bridge.runtime.snapshot
    bridge.runtime.invocations.targets bridge.runtime.invocations.workers
"""

# In bytes: an exit code, and a process id.
_SIZE = 8


class _Fork:
    """A fork, with the interface of `subprocess.Popen`. Its process id is not used again until `wait` has returned."""

    def __init__(self, output: int, status: socket.socket) -> None:
        self.stdout = os.fdopen(output, "rb", buffering=0)
        self._status = status
        self.pid = self._read()
        self.returncode: int | None = None

    def _read(self) -> int:
        return int.from_bytes(self._status.recv(_SIZE), "big", signed=True)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("fork", timeout)
            self.returncode = self._read()
            self._status.close()
        return self.returncode

    def terminate(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGTERM)


class Nursery:
    """The process that forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environ = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), "LANG": "en_US.UTF-8"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.runtime.nursery"],
                env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                stdin=theirs.fileno(),
                start_new_session=True,
            )

    def start(self, command: Sequence[str], folder: Path, environ: dict[str, str], pass_fds: Sequence[int]) -> Runtime:
        """As `Runtime`, but with no descriptors to pass on."""
        assert not pass_fds, "a fork has no descriptors of the test's"
        return _ForkedRuntime(self, command, folder, environ)

    def fork(self, command: Sequence[str], folder: Path, environ: dict[str, str]) -> Process:
        """Run `[python, "-m", module, argument ...]`."""
        _, _, module, *args = command
        order = json.dumps({"module": module, "args": args, "folder": str(folder), "environ": environ})
        output, their_output = os.pipe()
        status, their_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with their_status:
            socket.send_fds(self._socket, [order.encode()], [their_output, their_status.fileno()])
        os.close(their_output)
        return _Fork(output, status)

    def close(self) -> None:
        self._socket.close()
        assert self._process.wait(30) == 0


class _ForkedRuntime(Runtime):
    def __init__(self, nursery: Nursery, command: Sequence[str], folder: Path, environ: dict[str, str]) -> None:
        self._nursery = nursery
        super().__init__(command, folder, environ, ())

    def _start(self, command: Sequence[str], environ: dict[str, str], pass_fds: Sequence[int]) -> Process:
        return self._nursery.fork(command, self.folder, environ)


def main() -> None:
    """Fork for every order, to the end of the socket. A fork runs its order, and ends as any program does."""
    for module in PRELOADED.split():
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks' exit codes come by another way
    orders = socket.socket(fileno=os.dup(0))
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 65536, 2)
        if not message:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            _attend(*descriptors)
            _run(**json.loads(message))
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _attend(output: int, status: int) -> None:
    """Fork once more, and tell how that ends; returns in the fork."""
    pid = os.fork()
    if pid:
        os.close(output)
        os.write(status, pid.to_bytes(_SIZE, "big"))
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        os.write(status, code.to_bytes(_SIZE, "big", signed=True))
        os.read(status, 1)  # to the end: the test knows
        os._exit(0)
    os.setsid()
    os.close(status)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def _run(module: str, args: list[str], folder: str, environ: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv[1:] = args
    startup_watch.imported_at = time.monotonic()  # which tells when the init phase began
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
