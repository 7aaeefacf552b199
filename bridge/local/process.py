"""One process of an environment and all that it has started: their signals and their end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from bridge.local.lines import ProcessOutput
from bridge.local.tasks import is_set_within
from bridge.proxy.descendants import descendants, kill_all
from bridge.proxy.watcher import Watcher

__all__ = ["Process"]

# In seconds, for the rest of the output after all processes have ended.
_OUTPUT_LIMIT = 1.0


class Process:
    """The process of the runtime or of an extension, which leads a session of its own, and its descendants.

    `on_lines`: called with lines of stdout and stderr. `on_exit`: with the exit status, after the last line; it is
    negative for a signal. The descendants end with the process, and so does all of it with the gateway, however that
    ends.
    """

    def __init__(self, on_lines: Callable[[Sequence[str]], None], on_exit: Callable[[int], None]) -> None:
        self._on_lines, self._on_exit = on_lines, on_exit
        # In the name, and not in the value: a gateway that a function starts has another one.
        self._mark = f"_BRIDGE_ENVIRONMENT_{os.urandom(8).hex()}"
        self._watcher: Watcher
        self._transport: asyncio.SubprocessTransport
        self._exited = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._stopped: set[int] = set()
        self.pid: int | None = None

    async def start(self, command: Sequence[str], *, folder: str, environ: Mapping[str, str]) -> None:
        """Raises OSError."""
        self._watcher = Watcher(self._mark)  # before the process, so that there is no moment without it
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: ProcessOutput(self._on_lines, self._process_exited),
                *command,
                cwd=folder,
                env={**environ, self._mark: "1"},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            self._watcher.stop()
            raise
        self._transport = transport
        self.pid = transport.get_pid()
        self._watcher.watch(self.pid)

    @property
    def is_running(self) -> bool:
        return self.pid is not None and self._ending is None

    @property
    def is_stopped(self) -> bool:
        return bool(self._stopped)

    def family(self) -> set[int]:
        """Return the ids of all processes that have not ended. On other systems than Linux it is alone."""
        return {self.pid} | descendants(self.pid, self._mark) if self.pid is not None and self.is_running else set()

    def stop(self) -> None:
        """Stop all processes, as Lambda freezes its environments."""
        while new := self.family() - self._stopped:  # one that was not stopped yet may have started another
            self._stopped |= new
            _send(signal.SIGSTOP, new)

    def resume(self) -> None:
        stopped, self._stopped = self._stopped, set()
        if self.is_running:
            _send(signal.SIGCONT, stopped)

    def kill(self) -> None:
        """End the process immediately, as the kernel does. What it has started ends after it."""
        self._signal(signal.SIGKILL)

    async def end(self, grace: float, *, is_told: bool = False) -> None:
        """End the process: with SIGTERM, and with SIGKILL after `grace` seconds; with SIGKILL alone if that is 0.

        `is_told`: it knows already that it has to end, and gets no SIGTERM.
        """
        self.resume()
        if grace and self.is_running:
            if not is_told:
                self._signal(signal.SIGTERM)
            await is_set_within(self._exited, grace)
        self.kill()
        if self.pid is not None:
            await self._exited.wait()

    def _signal(self, number: int) -> None:
        """Send a signal to the process group, as Lambda does. A stopped process gets it when it goes on."""
        if self.pid is not None and self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _process_exited(self, output: ProcessOutput) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._finish(output), name="bridge process end")

    async def _finish(self, output: ProcessOutput) -> None:
        await asyncio.to_thread(kill_all, self.pid, self._mark)  # what it left: this waits for their end
        await is_set_within(output.closed, _OUTPUT_LIMIT)
        status = self._transport.get_returncode()
        self._transport.close()
        self._watcher.stop()
        self._exited.set()
        self._on_exit(0 if status is None else status)


def _send(number: int, pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
