"""The processes of an environment: the runtime, and its external extensions. They are frozen and measured together."""

from __future__ import annotations

import asyncio
import os.path
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from bridge.local.failures import crashed
from bridge.local.invocation import Failure
from bridge.local.process import Process

__all__ = ["Processes", "name_of"]

# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html: how long the end may take with external
# extensions, and how long the runtime, which ends first, in seconds.
TOTAL_LIMIT = 2.0
RUNTIME_LIMIT = 0.3

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: how long an internal extension lets a
# runtime live after SIGTERM. Without one SIGKILL comes immediately.
INTERNAL_LIMIT = 0.5

# The same page: variables of the runtime's process alone.
_OF_THE_RUNTIME = frozenset(
    [
        *("AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING"),
        *("AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_AWS_XRAY_DAEMON_ADDRESS"),
        *("_AWS_XRAY_DAEMON_PORT", "_HANDLER"),
    ]
)


def name_of(path: str) -> str:
    """Return the name with which the external extension in the file `path` registers."""
    return os.path.basename(path)


class Processes:
    """`extensions`: the paths of the external ones. `on_failure`: called when one of them ends before it is told to.

    `on_lines` and `on_exit`: as of the runtime's `Process`; the lines of the extensions are among the lines.
    """

    def __init__(
        self,
        extensions: Sequence[str],
        *,
        on_lines: Callable[[Sequence[str]], None],
        on_exit: Callable[[int], None],
        on_failure: Callable[[Failure], None],
    ) -> None:
        self.runtime = Process(on_lines, self._runtime_exited)
        self._on_exit, self._on_failure = on_exit, on_failure
        self._end_by: float | None = None
        self._extensions = {os.path.abspath(path): Process(on_lines, self._exit_of(path)) for path in extensions}

    def measured(self) -> set[int]:
        """Return the ids of all processes that may need more memory: none that is stopped does."""
        return {pid for each in self._all if not each.is_stopped for pid in each.family()}

    @property
    def _all(self) -> list[Process]:
        return [*self._extensions.values(), self.runtime]

    def _exit_of(self, path: str) -> Callable[[int], None]:
        def exited(status: int) -> None:
            if self._end_by is None:
                self._on_failure(crashed(name_of(path), status))

        return exited

    async def start_extensions(self, *, folder: str, environ: Mapping[str, str]) -> None:
        own = {name: value for name, value in environ.items() if name not in _OF_THE_RUNTIME}
        try:
            for path, process in self._extensions.items():
                await process.start([path], folder=folder, environ=own)
        except OSError as exc:
            self._on_failure(Failure("Extension.LaunchError", f"Error: An extension cannot be started: {exc}"))

    def stop(self) -> None:
        """Stop all, as Lambda freezes an environment."""
        for process in self._all:
            process.stop()

    def resume(self) -> None:
        for process in self._all:
            process.resume()

    def kill(self) -> None:
        """End all immediately, as the kernel does."""
        for process in self._all:
            process.kill()

    def _begin_end(self) -> float:
        """From now on the end of an extension is not a failure. Return how many seconds are left."""
        if self._end_by is None:
            self._end_by = time.monotonic() + TOTAL_LIMIT
        return max(0.0, self._end_by - time.monotonic())

    def _runtime_exited(self, status: int) -> None:
        self._begin_end()
        self._on_exit(status)

    async def end_runtime(self, *, has_internal: bool) -> None:
        """End the runtime, which has time if there are extensions: external ones, or internal ones."""
        self._begin_end()
        self.resume()
        await self.runtime.end(RUNTIME_LIMIT if self._extensions else INTERNAL_LIMIT if has_internal else 0.0)

    async def end_extensions(self, tell: Callable[[float], Collection[str]]) -> None:
        """End the external extensions. `tell`: tells them that they have so many seconds, and returns whom.

        The others have no time.
        """
        seconds = self._begin_end()
        self.resume()
        told = tell(seconds)
        limits = {path: seconds if name_of(path) in told else 0.0 for path in self._extensions}
        await asyncio.gather(*(process.end(limits[path], is_told=True) for path, process in self._extensions.items()))
