"""The environments of a function, and the invocations that wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from bridge.local.answer import Answer
from bridge.local.environment import Environment
from bridge.local.failures import ended, throttled
from bridge.local.invocation import Failure
from bridge.local.settings import FunctionSettings
from bridge.local.tasks import Tasks

__all__ = ["Pool"]

# In seconds: how long an invocation waits for an environment that has just answered, and is about to ask for the next
# event. A client that sends its requests in turn would else now and then get a new environment, or, where there can be
# no more, a 429: a client must not be refused because the environment has not asked for its next event yet. The second
# time is longer, because a machine that is busy must not be the cause of a 429 either.
_PATIENCE = 0.05
_PATIENCE_BEFORE_429 = 1.0


class Pool:
    """`echo`: called with the number of an environment and lines of its output."""

    def __init__(self, function: FunctionSettings, *, echo: Callable[[int, Sequence[str]], None]) -> None:
        self._function, self._echo = function, echo
        self._limit = 1 if function.concurrency > 1 else function.environments
        self._count = 0
        self._waiting: deque[Answer] = deque()
        self._tasks = Tasks()
        self._is_closed = False
        # The oldest first; those that are ending are among them until they have ended.
        self.environments: list[Environment] = []

    def submit(self, answer: Answer) -> None:
        """Invoke the function. The invocation waits in turn if all environments are busy."""
        self._waiting.append(answer)
        self._dispatch()
        if answer in self._waiting:
            loop = asyncio.get_running_loop()
            loop.call_later(_PATIENCE, self._dispatch)
            loop.call_later(self._patience(), self._expire, answer)

    def _patience(self) -> float:
        """Return how many seconds the invocation that came last may wait."""
        if not self._function.throttles or self._count_alive() < self._limit:
            return self._function.timeout
        if len(self._waiting) <= sum(each.room for each in self.environments if not each.is_due):
            return self._function.timeout
        return _PATIENCE_BEFORE_429 if len(self._waiting) <= sum(each.room for each in self.environments) else 0.0

    def _expire(self, answer: Answer) -> None:
        if answer in self._waiting:
            self._fail(answer, throttled())

    def _fail(self, answer: Answer, failure: Failure) -> None:
        self._waiting.remove(answer)
        answer.finish(failure)
        answer.rest()

    def _dispatch(self) -> None:
        """Give waiting invocations to free environments, or to new ones."""
        while self._waiting and not self._is_closed:
            # The one that started last: its code is the newest, and those before it may stay frozen.
            free = next((each for each in reversed(self.environments) if each.is_free), None)
            if free is not None:
                free.hand_over(self._take())
            elif (spare := next((each for each in self.environments if each.is_spare), None)) is not None:
                spare.reserve(self._take())
            elif self._may_start():
                self._start(self._take())
            else:
                return

    def _may_start(self) -> bool:
        if self._count_alive() >= self._limit:
            return False
        is_new = self._waiting[0].invocation.since() < _PATIENCE
        return not (is_new and any(each.is_due for each in self.environments))

    def _count_alive(self) -> int:
        return sum(each.is_alive for each in self.environments)

    def _take(self) -> Answer:
        answer = self._waiting.popleft()
        answer.invocation.timeline.assigned = answer.invocation.since()
        return answer

    def _start(self, first: Answer | None) -> Environment:
        self._count += 1
        number = self._count
        environment = Environment(number, self._function, changed=self._changed, echo=partial(self._echo, number))
        self.environments.append(environment)
        if first is not None:
            environment.reserve(first)
        self._tasks.start(environment.start(), name=f"environment {number}")
        return environment

    def _changed(self) -> None:
        stopped = [each for each in self.environments if each.state == "stopped"]
        for environment in stopped:
            self.environments.remove(environment)
            self._tasks.start(environment.close(), name=f"end of environment {environment.number}")
        self._dispatch()

    def prepare(self) -> None:
        """Start an environment in advance: up to the snapshot with SnapStart."""
        if not any(each.is_alive for each in self.environments):
            self._start(None)

    def drain(self) -> None:
        """End the environments, each after the invocations that it has."""
        for environment in list(self.environments):
            environment.drain()

    def freeze(self) -> None:
        for environment in self.environments:
            environment.freeze()

    async def close(self) -> None:
        """End everything. What still waits fails."""
        self._is_closed = True
        for answer in list(self._waiting):
            self._fail(answer, ended())
        await asyncio.gather(*(environment.close() for environment in list(self.environments)))
        await self._tasks.close()
