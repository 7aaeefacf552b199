"""The invocations that an environment has, each from its hand-over to the end of the work after its response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bridge.local.answer import Answer
from bridge.local.invocation import Failure

__all__ = ["Running"]


class Running:
    """`timed_out`: called with an invocation whose time is over."""

    def __init__(self, timed_out: Callable[[Answer], None]) -> None:
        self._timed_out = timed_out
        self._answers: dict[str, Answer] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def unanswered(self) -> int:
        return sum(not answer.is_finished for answer in self._answers.values())

    def add(self, answer: Answer, timeout: float) -> None:
        id = answer.invocation.id
        self._answers[id] = answer
        self._timers[id] = asyncio.get_running_loop().call_later(timeout, self._timed_out, answer)

    def rest(self, answer: Answer) -> None:
        """Note that an invocation is over, if that is not known yet."""
        id = answer.invocation.id
        if id in self._answers:
            del self._answers[id]
            self._timers.pop(id).cancel()
            answer.rest()

    def rest_all(self) -> None:
        for answer in list(self._answers.values()):
            self.rest(answer)

    def fail(self, failure: Failure) -> None:
        for answer in self._answers.values():
            answer.finish(failure)

    def log(self, lines: Sequence[str]) -> None:
        """Add each line to the log of the invocation that it is about: of several, the one whose id is in it."""
        answers = list(self._answers.values())
        for answer in answers:
            own = lines if len(answers) == 1 else [text for text in lines if answer.invocation.id in text]
            for text in own:
                answer.invocation.log(text)
            if own:
                answer.changed()
