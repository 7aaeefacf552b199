"""What an environment runs in: the runtime's processes, the Runtime API that they talk to, their clock and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bridge.local.clock import Clock, find_library
from bridge.local.memory import watch
from bridge.local.process import Process
from bridge.local.runtime_api import Environment, RuntimeApi
from bridge.local.settings import FunctionSettings
from bridge.local.tasks import Tasks
from bridge.local.variables import command_of, handler_of, variables

__all__ = ["Sandbox"]

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: how long an internal extension lets a
# runtime live after SIGTERM, in seconds. Without one SIGKILL comes immediately.
SHUTDOWN_LIMIT = 0.5

_MB = 1 << 20


class Sandbox:
    """From `launch` to `close`.

    `environment`: hears what the runtime asks for. `on_lines`: called with lines of output. `on_exit`: with the exit
    status. `too_large`: with the bytes of memory that are used when they are too many.
    """

    def __init__(
        self,
        function: FunctionSettings,
        environment: Environment,
        *,
        on_lines: Callable[[Sequence[str]], None],
        on_exit: Callable[[int], None],
        too_large: Callable[[int], None],
    ) -> None:
        self._function, self._too_large = function, too_large
        self.api = RuntimeApi(environment, name=function.name, handler=handler_of(function))
        self.process = Process(on_lines, on_exit)
        self.clock = Clock(find_library() if function.snapstart_age else None)
        self._tasks = Tasks()

    async def launch(self) -> None:
        """Start the runtime. Raises OSError, and ValueError for a variable with a null character."""
        function = self._function
        environ = variables(function, await self.api.start()) | self.clock.variables
        await self.process.start(command_of(function), folder=function.folder, environ=environ)
        self._tasks.start(watch(self._family, function.memory * _MB, self._too_large), name="memory")

    def _family(self) -> set[int]:
        return set() if self.process.is_stopped else self.process.family()  # stopped ones allocate nothing

    async def grow_old(self) -> None:
        """Make the snapshot as old as the settings say, before its restore."""
        age = self._function.snapstart_age
        if age and not self.clock.can_move:
            await asyncio.sleep(age)  # a pause of the process: its wall clock goes on, and so does its monotonic one
        elif age:
            self.clock.move(age)

    async def end(self) -> None:
        """End the processes as Lambda does: SIGTERM if an extension asks for it, then SIGKILL."""
        await self.process.end(SHUTDOWN_LIMIT if self.api.extensions else 0.0)

    async def close(self) -> None:
        """Free everything else. Only after `end`."""
        await self._tasks.close()
        await self.api.close()
        self.clock.close()
