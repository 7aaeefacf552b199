"""Streamed responses: how soon the Runtime API has what the application streams.

AWS's emulator collects a response before it passes it on, so this is measured with a double of the Runtime API, which
notes when each chunk arrives. Its threads are Python, in this process: a part of every figure is the double's own.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.browser import PAGE
from benchmarks.emulated import FUNCTION_URL, FUNCTIONS
from benchmarks.events import fresh_events
from benchmarks.rounds import figure_of, p99
from benchmarks.tables import MEDIAN, Table, judged, shown
from tests.runtime.double import Answer, Invocation, RuntimeDouble
from tests.runtime.processes import Runtimes

__all__ = ["tables"]

ROUNDS, QUICK_ROUNDS = 500, 10
GOAL = 5.0  # milliseconds

_METHOD = (
    "A double of the Runtime API in place of the emulator, which does not stream. The double is Python, and its own "
    "time is in every figure. awslambdaric cannot stream."
)
_WARM_UP = 30
_SEPARATOR = b"\0" * 8


class _Stream(NamedTuple):
    """Milliseconds from the application's first part, and from the event, to that part's first byte at the API."""

    after_send: float
    after_event: float


def tables(quick: bool) -> list[Table]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    streams = _measure(rounds)
    sent, received = ([getattr(stream, what) for stream in streams] for what in ("after_send", "after_event"))
    rows = [
        ["first byte, after the application sent it", judged(figure_of(sent), GOAL), f"{p99(sent):.2f}"],
        ["first byte, after the event", shown(figure_of(received), 2), f"{p99(received):.2f}"],
    ]
    notes = [f"{rounds} responses. {_METHOD} Goal: at most {GOAL:.0f} ms after the application sent it."]
    return [Table("Streaming with bridge.runtime: ms", [MEDIAN, "p99"], rows, notes)]


def _measure(rounds: int) -> list[_Stream]:
    event = json.loads(json.dumps(fresh_events(FUNCTION_URL, PAGE)()).replace(f'"{PAGE.path}"', '"/stream"'))
    with TemporaryDirectory() as folder, RuntimeDouble() as api:
        runtimes = Runtimes(Path(folder), api.address)
        try:
            environ = {"AWS_LWA_INVOKE_MODE": "response_stream", "PYTHONDONTWRITEBYTECODE": ""}
            runtimes(FUNCTIONS, "starlette_app:app", pass_fds=(), **environ)
            api.wait_for_polls(1)
            return [_stream(api.invoke(event)) for _ in range(_WARM_UP + rounds)][_WARM_UP:]
        finally:
            runtimes.end()


def _stream(invocation: Invocation) -> _Stream:
    """Measure one stream. The body's first line is the time at which it was sent: see starlette_app."""
    answer = invocation.answer()
    sent = int(answer.payload.split(b"\n")[0]) / 1e9
    arrived = _arrival(answer, answer.body.index(_SEPARATOR) + len(_SEPARATOR))
    return _Stream((arrived - sent) * 1e3, (arrived - invocation.handed_out_at) * 1e3)


def _arrival(answer: Answer, position: int) -> float:
    """Return the time at which the chunk with that byte of the body arrived."""
    end = 0
    for at, data in answer.chunks:
        end += len(data)
        if position < end:
            return at
    raise ValueError(f"The body has {end} bytes, and none at {position}.")
