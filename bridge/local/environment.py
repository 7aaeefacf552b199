"""One execution environment: its states, and the invocations that it has.

    starting -> idle -> busy -> idle ... -> stopping -> stopped
    starting -> snapshot -> starting (the restore) -> idle ...         with SnapStart
                idle -> frozen -> busy ...                              with freezing

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from bridge.local.answer import Answer
from bridge.local.failures import exited, out_of_memory, timed_out
from bridge.local.invocation import Failure
from bridge.local.log import Log
from bridge.local.running import Running
from bridge.local.sandbox import Sandbox
from bridge.local.settings import FunctionSettings
from bridge.local.stages import Stages
from bridge.local.tasks import Tasks

__all__ = ["Environment"]

# In seconds, for a process that has reported its own failure to end itself.
_EXIT_LIMIT = 1.0


class Environment:
    """`changed`: called when it may be free for another invocation, or has ended. `echo`: called with its output."""

    def __init__(
        self,
        number: int,
        function: FunctionSettings,
        *,
        changed: Callable[[], None],
        echo: Callable[[Sequence[str]], None],
    ) -> None:
        self.number = number
        self.state = "starting"
        self.is_concurrent = function.concurrency > 1
        self.is_draining = False
        self._function = function
        self._changed, self._echo = changed, echo
        self._sandbox = Sandbox(
            function, self, on_lines=self._printed, on_exit=self._exited, too_large=self._out_of_memory
        )
        self._api, self._process = self._sandbox.api, self._sandbox.process
        self._log = Log()
        self._first: Answer | None = None
        self._running = Running(self._timed_out)
        self._stages = Stages(self._fail)
        self._cause: Failure | None = None
        self._tasks = Tasks()
        self._launched, self._stopped = asyncio.Event(), asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def log(self) -> list[str]:
        return [text for _, text in self._log]

    @property
    def is_free(self) -> bool:
        """Whether it can have another invocation now."""
        if self.is_draining or self.state not in ("idle", "frozen", "snapshot", "busy"):
            return False
        return self._first is None if self.state == "snapshot" else self._is_waiting

    @property
    def is_spare(self) -> bool:
        """Whether it starts without an invocation to start for."""
        return self.state == "starting" and self.is_alive and self._first is None and not self._stages.has_snapshot

    @property
    def is_alive(self) -> bool:
        """Whether it is there for invocations, now or later."""
        return self._cause is None and not self.is_draining and self.state not in ("stopping", "stopped")

    @property
    def room(self) -> int:
        """How many more invocations it can have before it answers one: when it has started, or asks for an event."""
        if not self.is_alive:
            return 0
        return self._function.concurrency - self._running.unanswered - (self._first is not None)

    @property
    def is_due(self) -> bool:
        """Whether it has answered an invocation, and has not asked for the next event yet."""
        return self.state == "busy" and self.room > 0

    @property
    def _is_waiting(self) -> bool:
        return self._api.polls > 0 and self._api.extensions.are_idle and (self.is_concurrent or not self._running)

    # The init phase.

    async def start(self) -> None:
        """Start the process."""
        self._stages.begin_init(self._function.timeout)
        try:
            await self._sandbox.launch()
        except (OSError, ValueError) as exc:  # ValueError: a variable with a null character, which no process can have
            self._fail(Failure("Runtime.InvalidEntrypoint", f"The runtime cannot be started: {exc}"))
        finally:
            self._launched.set()

    def reserve(self, first: Answer) -> None:
        """Start for an invocation, which fails if the init phase does. Only if `is_spare`."""
        self._first = first
        first.invocation.status = "starting"
        first.changed()

    # What the runtime does.

    def polled(self) -> None:
        if self.state in ("stopping", "stopped") or not (self._api.polls and self._api.extensions.are_idle):
            return
        if self.state == "starting":
            self._stages.end()
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
        self._stages.end()
        self.state = "snapshot"
        self._process.stop()
        if self._first is not None:
            self._tasks.start(self._restore(), name="restore")
        else:
            self._changed()

    async def _restore(self) -> None:
        await self._sandbox.grow_old()
        if self.state != "snapshot":  # it was ended meanwhile
            return
        self.state = "starting"
        self._stages.begin_restore()
        self._process.resume()
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
            self._first = answer
            self._tasks.start(self._restore(), name="restore")
            return
        self._process.resume()
        self.state = "busy"
        invocation = answer.invocation
        self._stages.note(invocation, self._log)
        invocation.environment, invocation.status = self.number, "running"
        self._running.add(answer, self._function.timeout)
        self._api.hand_over(answer, time.time() + self._sandbox.clock.offset + self._function.timeout)
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
            self._tasks.start(self.stop(), name="stop")

    def _printed(self, lines: Sequence[str]) -> None:
        self._log.add(lines)
        self._echo(lines)
        self._running.log(lines)

    # Freezing, and the end.

    def freeze(self) -> None:
        """Stop the process until the next invocation. Only an idle one."""
        if self.state == "idle":
            self.state = "frozen"
            self._process.stop()

    def drain(self) -> None:
        """End after the invocations that it has."""
        self.is_draining = True
        if not self._running and self._first is None:
            self._tasks.start(self.stop(), name="stop")

    async def stop(self) -> None:
        """End the process."""
        if self.state not in ("stopping", "stopped"):
            self.state = "stopping"
            await self._launched.wait()
            await self._sandbox.end()
            if self.pid is None:
                self._exited(0)
        await self._stopped.wait()

    async def close(self) -> None:
        """Stop, and free everything."""
        await self.stop()
        await self._tasks.close()
        await self._sandbox.close()

    def _fail(self, failure: Failure, *, grace: float = 0.0) -> None:
        """Fail what waits for this environment, and end it."""
        self._cause = self._cause or failure
        self._finish_all(failure)
        self._tasks.start(self._end(grace), name="end")

    async def _end(self, grace: float) -> None:
        if grace:
            await asyncio.wait([asyncio.ensure_future(self._stopped.wait())], timeout=grace)
        await self.stop()

    def _out_of_memory(self, size: int) -> None:
        self._cause = out_of_memory(self._function.memory, size)
        self._printed([self._cause.message])
        self._process.kill()

    def _finish_all(self, failure: Failure) -> None:
        first, self._first = self._first, None
        if first is not None:
            self._stages.note(first.invocation, self._log)
            first.invocation.environment = self.number
            first.finish(failure)
            first.rest()
        self._running.fail(failure)

    def _exited(self, status: int) -> None:
        self._stages.cancel()
        is_expected = self.state == "stopping" and self._cause is None
        self.state = "stopped"
        failure = self._cause or exited(status)
        if not is_expected and status and self._cause is None:
            self._printed([failure.message])
        self._finish_all(failure)
        self._running.rest_all()
        self._stopped.set()
        self._changed()
