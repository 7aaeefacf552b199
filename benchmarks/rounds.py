"""The method: contestants take turns over many short rounds, so that whatever slows the machine slows them all.

A round is one batch of calls by each contestant, in a new order each time, because some neighbours leave warmer caches
than others. Inputs are made before the clock starts. A figure is the median over the rounds, beside the least
of them; differences and ratios are taken within a round before their median is. The garbage collector is on, as it is
in Lambda; what was alive before the rounds is frozen, so that no contestant pays for scanning the benchmark.
"""

import gc
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

__all__ = ["Contestant", "Figure", "Figures", "compete", "figure_of", "only", "p99", "take_turns"]

T = TypeVar("T")

# Seconds one batch takes: long beside the clock's own resolution, short beside the machine's moods.
BATCH = 0.002
MOST_CALLS = 200


class Contestant:
    """One way to answer a request, as a plain call. `make`: the input of one call, made off the clock."""

    def __init__(self, name: str, make: Callable[[], Any], call: Callable[[Any], Any]) -> None:
        self.name = name
        self._make = make
        self._call = call

    def result(self) -> Any:
        return self._call(self._make())

    def seconds(self, calls: int) -> float:
        """Return the seconds that a batch of calls takes."""
        inputs = [self._make() for _ in range(calls)]
        call = self._call
        start = perf_counter()
        for item in inputs:
            call(item)
        return perf_counter() - start


class Figure(NamedTuple):
    """The median over the rounds, and the least."""

    median: float
    least: float


def figure_of(samples: Sequence[float]) -> Figure:
    return Figure(median(samples), min(samples))


class Figures:
    """One sample of each contestant from each round, all in one unit."""

    def __init__(self, samples: dict[str, list[float]]) -> None:
        self._samples = samples

    @property
    def names(self) -> list[str]:
        return list(self._samples)

    def time(self, name: str) -> Figure:
        return figure_of(self._samples[name])

    def over(self, name: str, base: str) -> Figure:
        """Return the difference of `name` and `base`: within a round, and between the least of each."""
        pairs = zip(self._samples[name], self._samples[base], strict=True)
        return Figure(median(one - other for one, other in pairs), self.time(name).least - self.time(base).least)

    def ratio(self, name: str, *bases: str) -> Figure:
        """Return the ratio of `name` and all `bases` together, in the same two ways."""
        sums = [sum(samples) for samples in zip(*(self._samples[base] for base in bases), strict=True)]
        ratios = [one / other for one, other in zip(self._samples[name], sums, strict=True)]
        return Figure(median(ratios), self.time(name).least / sum(self.time(base).least for base in bases))


def only(field: str, samples: Mapping[str, Sequence[Any]]) -> Figures:
    """Return the figures of one field of named tuples."""
    return Figures({name: [getattr(sample, field) for sample in of_one] for name, of_one in samples.items()})


def compete(contestants: Sequence[Contestant], rounds: int) -> Figures:
    """Warm all up, then let them take turns. Microseconds per call."""

    def measure(contestant: Contestant) -> Callable[[], float]:
        calls = _calls_in_a_batch(contestant)
        return lambda: contestant.seconds(calls) / calls * 1e6

    return Figures(take_turns({contestant.name: measure(contestant) for contestant in contestants}, rounds))


def take_turns(measures: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Return the samples of each measure, called once in each round, in a new order each time."""
    samples: dict[str, list[T]] = {name: [] for name in measures}
    turns = list(measures.items())
    order = random.Random(0)
    gc.collect()
    gc.freeze()
    try:
        for _ in range(rounds):
            order.shuffle(turns)
            for name, measure in turns:
                samples[name].append(measure())
    finally:
        gc.unfreeze()
    return samples


def p99(samples: Iterable[float]) -> float:
    """Return the value that 99 of 100 samples do not exceed."""
    return quantiles(samples, n=100)[-1]


def _calls_in_a_batch(contestant: Contestant) -> int:
    """Return the number of calls that fill a batch. To find it is the warm-up, too."""
    calls = 1
    while calls < MOST_CALLS and (taken := contestant.seconds(calls)) < BATCH:
        calls = min(MOST_CALLS, max(calls + 1, int(calls * BATCH / taken)))
    return calls
