"""One execution environment: a process, its Runtime API, and the invocations that it has.

    starting -> idle -> busy -> idle ... -> stopping -> stopped
    starting -> snapshot -> starting (the restore) -> idle ...         with SnapStart
                idle -> frozen -> busy ...                              with freezing

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bridge.local.answer import Answer
from bridge.local.clock import Clock, find_library
from bridge.local.failures import ended, exited, init_timed_out, out_of_memory, timed_out
from bridge.local.invocation import Failure
from bridge.local.memory import watch
from bridge.local.output import Listener, Output
from bridge.local.processes import Processes
from bridge.local.running import Running
from bridge.local.runtime_api import RuntimeApi
from bridge.local.settings import FunctionSettings
from bridge.local.stages import Stages
from bridge.local.tasks import Tasks, is_set_within
from bridge.local.variables import command_of, variables

__all__ = ["Environment"]

# In seconds, for a process that has reported its own failure to end itself.
_EXIT_LIMIT = 1.0


class Environment:
    """`changed`: called when it may be free for another invocation, or has ended. `echo`: called with its output."""

    def __init__(self, number: int, function: FunctionSettings, *, changed: Callable[[], None], echo: Listener) -> None:
        self.number = number
        self.state = "starting"
        self.is_concurrent = function.concurrency > 1
        self.is_draining = False
        self._function = function
        self._changed = changed
        self._running = Running(self._timed_out)
        self._output = Output(echo, self._running.log)
        self._api = RuntimeApi(self, function)
        self._processes = Processes(
            function.extensions, on_lines=self._output.add, on_exit=self._exited, on_failure=self._fail
        )
        self._reason = "spindown"  # of the end, for extensions
        self._clock = Clock(find_library() if function.snapstart_age else None)
        self._tasks = Tasks()
        self._first: Answer | None = None
        self._stages = Stages(self._stage_timed_out, lambda text: self._output.add([text]))
        self._cause: Failure | None = None
        self._launched, self._stopped = asyncio.Event(), asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._processes.runtime.pid

    @property
    def log(self) -> list[str]:
        return [text for _, text in self._output.lines]

    @property
    def is_free(self) -> bool:
        """Whether it can have another invocation now."""
        if self.is_draining or self.state not in ("idle", "frozen", "snapshot", "busy"):
            return False
        return self._first is None if self.state == "snapshot" else self._is_waiting

    @property
    def is_spare(self) -> bool:
        """Whether it starts without an invocation to start for."""
        return self.state == "starting" and self.is_alive and self._first is None and self._stages.init_end is None

    @property
    def room(self) -> int:
        """How many more invocations it can have before it answers one: when it has started, or asks for an event."""
        used = self._running.unanswered + (self._first is not None)
        return self._function.concurrency - used if self.is_alive else 0

    @property
    def is_due(self) -> bool:
        """Whether it has answered an invocation, and has not asked for the next event yet."""
        return self.state == "busy" and self.room > 0

    @property
    def is_alive(self) -> bool:
        """Whether it is there for invocations, now or later."""
        return self._cause is None and not self.is_draining and self.state not in ("stopping", "stopped")

    @property
    def _is_waiting(self) -> bool:
        return self._api.polls > 0 and self._api.extensions.are_idle and (self.is_concurrent or not self._running)

    async def start(self) -> None:
        """Start the process."""
        try:
            await self._launch()
        except (OSError, ValueError) as exc:  # ValueError: a variable with a null character, which no process can have
            self._fail(Failure("Runtime.InvalidEntrypoint", f"The runtime cannot be started: {exc}"))
        finally:
            self._launched.set()

    async def _launch(self) -> None:
        function = self._function
        self._stages.begin_init(function.timeout)
        environ = variables(function, await self._api.start()) | self._clock.variables
        await self._processes.start_extensions(folder=function.folder, environ=environ)
        await self._api.extensions.are_registered.wait()
        if self.state == "stopping":
            return
        await self._processes.runtime.start(command_of(function), folder=function.folder, environ=environ)
        self._tasks.start(watch(self._processes.measured, function.memory << 20, self._too_large), name="memory")

    def reserve(self, first: Answer) -> None:
        """Start for an invocation, which fails if the start does. Only if `is_spare`, or from a snapshot."""
        self._first = first
        first.invocation.status = "starting"
        self._stages.show(first.invocation)
        first.changed()

    def _stage_timed_out(self, seconds: float) -> None:
        self._fail(init_timed_out(seconds, self._api.extensions.missing))

    # What the runtime does.

    def polled(self) -> None:
        if self.state in ("stopping", "stopped") or not (self._api.polls and self._api.extensions.are_idle):
            return
        if self.state == "starting":
            self._stages.ready()
        if not self.is_concurrent:
            self._running.rest_all()
        first, self._first = self._first, None
        if first is not None:
            self.hand_over(first)
        else:
            self._settle()

    def _settle(self) -> None:
        """Wait for the next invocation, or end."""
        if self._running:
            self.state = "busy"
        elif self.is_draining:
            self._tasks.start(self.stop(), name="stop")
        else:
            self.state = "idle"
            if self._function.freezes:
                self.freeze()
        self._changed()

    def snapshot_reached(self) -> None:
        self._stages.end_init()
        self.state = "snapshot"
        self._processes.stop()
        if self._first is not None:
            self._tasks.start(self._restore(), name="restore")
        else:
            self._changed()

    async def _restore(self) -> None:
        await self._clock.pass_by(self._function.snapstart_age)
        if self.state != "snapshot":  # it was ended meanwhile
            return
        self.state = "starting"
        self._stages.begin_restore()
        self._processes.resume()
        self._api.restore()

    def init_failed(self, failure: Failure) -> None:
        self._fail(failure, grace=_EXIT_LIMIT)

    def answered(self, answer: Answer) -> None:
        if self.is_concurrent and answer.is_finished:
            self._running.rest(answer)
            self._settle()

    # Invocations.

    def hand_over(self, answer: Answer) -> None:
        """Give an invocation to the runtime. Only if `is_free`."""
        if self.state == "snapshot":
            self.reserve(answer)
            self._tasks.start(self._restore(), name="restore")
            return
        self._processes.resume()
        self.state = "busy"
        invocation = answer.invocation
        self._stages.note(invocation, self._output.lines)
        invocation.timeline.start = invocation.since()
        invocation.environment, invocation.status = self.number, "running"
        self._running.add(answer, self._function.timeout)
        self._api.hand_over(answer, time.time() + self._clock.offset + self._function.timeout)
        answer.changed()

    def _timed_out(self, answer: Answer) -> None:
        invocation = answer.invocation
        failure = timed_out(invocation.id, self._function.timeout)
        invocation.log(failure.message)
        answer.finish(failure)
        if self.is_concurrent:  # documented: Managed Instances never end a process for it
            self._api.open.pop(invocation.id, None)
            self._api.timed_out.add(invocation.id)
            self.answered(answer)
        else:
            self._reason = "timeout"
            self._tasks.start(self.stop(), name="stop")

    # Freezing, and the end.

    def freeze(self) -> None:
        """Stop the process until the next invocation. Only an idle one."""
        if self.state == "idle":
            self.state = "frozen"
            self._processes.stop()

    def drain(self) -> None:
        """End after the invocations that it has."""
        self.is_draining = True
        if not self._running and self._first is None:
            self._tasks.start(self.stop(), name="stop")

    async def stop(self) -> None:
        """End the processes as Lambda does: SIGTERM if an extension asks for it, then SIGKILL."""
        if self.state not in ("stopping", "stopped"):
            self.state = "stopping"
            self._api.extensions.are_registered.set()  # they are not waited for any more
            await self._launched.wait()
            await self._processes.end_runtime(has_internal=bool(self._api.extensions))
            if self.pid is None:
                self._exited(0)
        await self._stopped.wait()

    async def _end_extensions(self) -> None:
        now = time.time() + self._clock.offset
        await self._processes.end_extensions(
            lambda seconds: self._api.extensions.shut_down(self._reason, now + seconds)
        )
        self.state = "stopped"
        self._stopped.set()
        self._changed()

    async def close(self) -> None:
        """Stop, and free everything."""
        await self.stop()
        await self._tasks.close()
        await self._api.close()
        self._clock.close()

    def _fail(self, failure: Failure, *, grace: float = 0.0) -> None:
        """Fail what waits for this environment, and end it."""
        self._cause = self._cause or failure
        self._finish_all(failure)
        self._tasks.start(self._end(grace), name="end")

    async def _end(self, grace: float) -> None:
        if grace:
            await is_set_within(self._stopped, grace)
        await self.stop()

    def _too_large(self, size: int) -> None:
        self._cause = out_of_memory(self._function.memory, size)
        self._output.add([self._cause.message])
        self._processes.kill()

    def _finish_all(self, failure: Failure) -> None:
        first, self._first = self._first, None
        if first is not None:
            self._stages.note(first.invocation, self._output.lines)
            first.invocation.environment = self.number
            first.finish(failure)
            first.rest()
        self._running.fail(failure)

    def _exited(self, status: int) -> None:
        self._stages.end()
        # Nothing but the end of the gateway stops an environment that has invocations without a cause.
        failure = self._cause or (ended() if self.state == "stopping" else exited(status))
        if self.state != "stopping" or self._cause is not None:
            self._reason = "failure"
            if status and self._cause is None:
                self._output.add([failure.message])
        self.state = "stopping"
        self._finish_all(failure)
        self._running.rest_all()
        self._tasks.start(self._end_extensions(), name="end of extensions")
        self._changed()
