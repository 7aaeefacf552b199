"""How soon a caller sees what the application streams, and what streaming costs.

AWS's emulator collects a response before it passes it on, so this is measured with a double of the Runtime API, which
notes when each chunk arrives. Its threads are Python, in this process: a part of every figure is the double's own.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.browser import PAGE
from benchmarks.emulated import FUNCTION_URL, FUNCTIONS
from benchmarks.events import fresh_events
from benchmarks.rounds import figure_of, p99
from benchmarks.tables import MEDIAN, Table, judged, shown
from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.processes import Runtimes

__all__ = ["tables"]

ROUNDS, QUICK_ROUNDS = 500, 10
FIRST_BYTE_GOAL = 5.0  # milliseconds

_METHOD = (
    "A double of the Runtime API in place of the emulator, which does not stream. The double is Python, and its own "
    "time is in every figure. awslambdaric cannot stream."
)

_WARM_UP = 30
_SEPARATOR = b"\0" * 8


class Stream(NamedTuple):
    """One streamed response, in milliseconds.

    `after_send`: from the application's first part to its first byte here. `beyond_app`: from the event to that byte,
    without what the application itself took. `whole`: from the event to the response's end.
    """

    after_send: float
    beyond_app: float
    whole: float


class Streams(NamedTuple):
    """`small`: the JSON route's response as a stream; `buffered`: the same one in the other mode: event to end, ms."""

    streams: list[Stream]
    small: list[float]
    buffered: list[float]


def tables(quick: bool) -> list[Table]:
    """The first byte, and the whole response beside a buffered one."""
    measured = _measure(QUICK_ROUNDS if quick else ROUNDS)
    rows = [
        _first_byte("first byte of the body, after the application sent it", measured, lambda each: each.after_send),
        _first_byte("  after the event, without the application's own time", measured, lambda each: each.beyond_app),
        ["small response, streamed: event to end", *_row(measured.small)],
        ["small response, buffered: event to end", *_row(measured.buffered)],
    ]
    goal = f"Goal: the first byte at most {FIRST_BYTE_GOAL:.0f} ms beyond the application's own time."
    notes = [f"{len(measured.small)} of each, in turns. {_METHOD}", goal]
    return [Table("Streaming with bridge.runtime: ms", [MEDIAN, "p99"], rows, notes)]


def _first_byte(name: str, measured: Streams, get: Callable[[Stream], float]) -> list[str]:
    samples = list(map(get, measured.streams))
    return [name, judged(figure_of(samples), FIRST_BYTE_GOAL), f"{p99(samples):.2f}"]


def _row(samples: list[float]) -> list[str]:
    return [shown(figure_of(samples), 2), f"{p99(samples):.2f}"]


def _measure(rounds: int) -> Streams:
    """Two live environments, one in each mode, and turns of one invocation of each kind."""
    page, stream = (_event(path) for path in (PAGE.path, "/stream"))
    measured = Streams([], [], [])
    with _environment("response_stream") as streaming, _environment("buffered") as buffering:
        for number in range(-_WARM_UP, rounds):
            first = _stream(streaming.invoke(stream))
            streamed, buffered = _whole(streaming.invoke(page)), _whole(buffering.invoke(page))
            if number >= 0:
                measured.streams.append(first)
                measured.small.append(streamed)
                measured.buffered.append(buffered)
    return measured


@contextmanager
def _environment(mode: str) -> Iterator[RuntimeDouble]:
    with TemporaryDirectory() as folder, RuntimeDouble() as api:
        runtimes = Runtimes(Path(folder), api.address)
        try:
            runtimes(FUNCTIONS, "starlette_app:app", AWS_LWA_INVOKE_MODE=mode, PYTHONDONTWRITEBYTECODE="")
            api.wait_for_polls(1)
            yield api
        finally:
            runtimes.end()


def _event(path: str) -> Any:
    return json.loads(json.dumps(fresh_events(FUNCTION_URL, PAGE)()).replace(f'"{PAGE.path}"', f'"{path}"'))


def _stream(invocation: Invocation) -> Stream:
    answer = invocation.answer()
    called, sent = (int(ns) / 1e9 for ns in answer.payload.split(b"\n")[0].split())
    first = answer.body.index(_SEPARATOR) + len(_SEPARATOR)
    arrived = _arrival(answer.chunks, first)
    started = invocation.handed_out_at
    return Stream(
        (arrived - sent) * 1e3, (arrived - started - (sent - called)) * 1e3, (answer.ended_at - started) * 1e3
    )


def _arrival(chunks: list[tuple[float, bytes]], position: int) -> float:
    """When the chunk with that byte of the body arrived."""
    end = 0
    for at, data in chunks:
        end += len(data)
        if position < end:
            return at
    raise ValueError(f"The body has {end} bytes, and none at {position}.")


def _whole(invocation: Invocation) -> float:
    answer = invocation.answer()
    if b"hello" not in answer.body:
        raise ValueError(f"Expected {PAGE.answer!r}, but got {answer!r}: {answer.body[:500]!r}")
    return (answer.ended_at - invocation.handed_out_at) * 1e3
