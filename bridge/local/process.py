"""One child process with a process group of its own: its output line by line, its signals, its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

__all__ = ["Process"]

# In bytes: a longer line is shown in pieces.
_MAX_LINE = 64 << 10

# In seconds, for the rest of the output after the process has ended: only a process that left the group still has it.
_OUTPUT_LIMIT = 1.0


class Process:
    """`on_line`: called with each line of stdout and stderr. `on_exit`: with the exit status, after the last line.

    The exit status is negative for a signal. The whole group ends with the process.
    """

    def __init__(self, on_line: Callable[[str], None], on_exit: Callable[[int], None]) -> None:
        self._on_line, self._on_exit = on_line, on_exit
        self._transport: asyncio.SubprocessTransport
        self._exited = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self.is_stopped = False
        self.pid: int | None = None

    async def start(self, command: Sequence[str], *, folder: str, environ: Mapping[str, str]) -> None:
        """Raises OSError."""
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Output(self._on_line, self._process_exited),
            *command,
            cwd=folder,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._transport = transport
        self.pid = self._transport.get_pid()

    @property
    def is_running(self) -> bool:
        return self.pid is not None and self._ending is None

    def send(self, number: int) -> None:
        """Send a signal to the process and its children. A stopped one gets it when it goes on."""
        if self.pid is not None and not self._exited.is_set():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def stop(self) -> None:
        """Stop the process, as Lambda freezes its environments."""
        if not self.is_stopped:
            self.is_stopped = True
            self.send(signal.SIGSTOP)

    def resume(self) -> None:
        if self.is_stopped:
            self.is_stopped = False
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """End the process immediately, as the kernel does."""
        self.send(signal.SIGKILL)

    async def end(self, grace: float, *, is_told: bool = False) -> None:
        """End the process: with SIGTERM, and with SIGKILL after `grace` seconds; with SIGKILL alone if that is 0.

        `is_told`: it knows already that it has to end, and gets no SIGTERM.
        """
        self.resume()
        if grace and self.is_running:
            if not is_told:
                self.send(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._exited.wait(), grace)
        self.send(signal.SIGKILL)
        if self.pid is not None:
            await self._exited.wait()

    def _process_exited(self, output: _Output) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._finish(output), name="bridge process end")

    async def _finish(self, output: _Output) -> None:
        assert self.pid is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # children that it left
        with suppress(TimeoutError):
            await asyncio.wait_for(output.closed.wait(), _OUTPUT_LIMIT)
        status = self._transport.get_returncode()
        self._transport.close()
        self._exited.set()
        self._on_exit(0 if status is None else status)


class _Output(asyncio.SubprocessProtocol):
    def __init__(self, on_line: Callable[[str], None], on_exit: Callable[[_Output], None]) -> None:
        self._on_line, self._on_exit = on_line, on_exit
        self._pending = {1: b"", 2: b""}
        self.closed = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, rest = (self._pending[fd] + data.replace(b"\r", b"\n")).split(b"\n")
        if len(rest) > _MAX_LINE:
            lines, rest = [*lines, rest], b""
        self._pending[fd] = rest
        for line in lines:
            self._tell(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        rest = self._pending.pop(fd, b"")
        self._tell(rest)
        if not self._pending:
            self.closed.set()

    def _tell(self, line: bytes) -> None:
        if line.strip():
            self._on_line(line.decode("utf-8", "replace"))

    def process_exited(self) -> None:
        self._on_exit(self)
