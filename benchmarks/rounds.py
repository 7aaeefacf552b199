"""The method: contestants take turns over many short rounds, so that whatever slows the machine slows them all.

A round is one batch of calls by each contestant, in a new order each time, because some neighbours leave warmer caches
behind than others. Inputs are made before the clock starts. A figure is the median over the rounds, beside the least
of them; differences and ratios are taken within a round before their median is. The garbage collector is on, as it is
in Lambda; what was alive before the rounds is frozen, so that nobody pays for scanning the benchmark.
"""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, Protocol

__all__ = ["Awaited", "Called", "Contestant", "Figure", "Figures", "compete"]

# Seconds one batch takes: long beside the clock's own resolution, short beside the machine's moods.
BATCH = 0.002
MOST_CALLS = 200


class Contestant(Protocol):
    """One way to answer a request."""

    name: str

    def result(self) -> Any:
        """What one call returns."""

    def seconds(self, calls: int) -> float:
        """How long a batch takes."""


class Called:
    """A contestant that is a plain call. `make`: the input of one call, made off the clock."""

    def __init__(self, name: str, make: Callable[[], Any], call: Callable[[Any], Any]) -> None:
        self.name = name
        self._make = make
        self._call = call

    def result(self) -> Any:
        return self._call(self._make())

    def seconds(self, calls: int) -> float:
        inputs = [self._make() for _ in range(calls)]
        call = self._call
        start = perf_counter()
        for item in inputs:
            call(item)
        return perf_counter() - start


class Awaited:
    """A contestant that is awaited inside a running event loop."""

    def __init__(
        self, name: str, loop: asyncio.AbstractEventLoop, make: Callable[[], Any], call: Callable[[Any], Awaitable[Any]]
    ) -> None:
        self.name = name
        self._loop = loop
        self._make = make
        self._call = call

    def result(self) -> Any:
        async def once() -> Any:
            return await self._call(self._make())

        return self._loop.run_until_complete(once())

    def seconds(self, calls: int) -> float:
        return self._loop.run_until_complete(self._seconds(calls))

    async def _seconds(self, calls: int) -> float:
        inputs = [self._make() for _ in range(calls)]
        call = self._call
        start = perf_counter()
        for item in inputs:
            await call(item)
        return perf_counter() - start


class Figure(NamedTuple):
    """The median over the rounds, and the least."""

    median: float
    least: float


class Figures:
    """Microseconds per call: for each contestant one sample from each round."""

    def __init__(self, samples: dict[str, list[float]]) -> None:
        self._samples = samples

    @property
    def names(self) -> list[str]:
        return list(self._samples)

    def time(self, name: str) -> Figure:
        samples = self._samples[name]
        return Figure(median(samples), min(samples))

    def over(self, name: str, base: str) -> Figure:
        """What `name` costs more than `base`: within a round, and the least of one beside the least of the other."""
        pairs = zip(self._samples[name], self._samples[base], strict=True)
        return Figure(median(one - other for one, other in pairs), self.time(name).least - self.time(base).least)

    def ratio(self, name: str, *bases: str) -> Figure:
        """How many times `bases` together `name` costs, in the same two ways."""
        sums = [sum(samples) for samples in zip(*(self._samples[base] for base in bases), strict=True)]
        ratios = [one / other for one, other in zip(self._samples[name], sums, strict=True)]
        return Figure(median(ratios), self.time(name).least / sum(self.time(base).least for base in bases))


def compete(contestants: Sequence[Contestant], rounds: int) -> Figures:
    """Warm everybody up, then let them take turns."""
    calls = [_calls_in_a_batch(contestant) for contestant in contestants]
    samples: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    turns = list(zip(contestants, calls, strict=True))
    order = random.Random(0)
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            order.shuffle(turns)
            for contestant, number in turns:
                samples[contestant.name].append(contestant.seconds(number) / number * 1e6)
    finally:
        gc.unfreeze()
    return Figures(samples)


def _calls_in_a_batch(contestant: Contestant) -> int:
    """As many as fill a batch; finding out is the warm-up."""
    calls = 1
    while calls < MOST_CALLS and (taken := contestant.seconds(calls)) < BATCH:
        calls = min(MOST_CALLS, max(calls + 1, int(calls * BATCH / taken)))
    return calls
