"""The steps of an invocation."""

import re

from bridge.local.inspector.timeline import seconds, steps, timeline
from bridge.local.invocation import Invocation, Part, Timeline
from tests.cases import every_case
from tests.local.inspector.fake_gateway import record, request


@every_case(
    ("status", "line", "expected"),
    [
        ("queued", Timeline(), [("Queueing", 0.0, False)]),
        ("done", Timeline(end=0.5, idle=0.5), [("Queueing", 0.0, True)]),  # refused, or the init phase failed
        ("running", Timeline(assigned=0.1, init_start=0.1, init_end=0.4, start=0.4),
         [("Queueing", 0.0, True), ("Init phase", 0.1, True), ("Handler", 0.4, False)]),
        ("starting", Timeline(assigned=0.1), [("Queueing", 0.0, True), ("Init phase", 0.1, False)]),
        ("starting", Timeline(assigned=0.1, init_start=-2.0, init_end=-1.0),
         [("Queueing", 0.0, True), ("Init phase", -2.0, True), ("Restore", 0.1, False)]),
        ("starting", Timeline(assigned=0.1, restore_start=0.1),
         [("Queueing", 0.0, True), ("Restore", 0.1, False)]),
        ("done", Timeline(assigned=0.1, init_start=0.1, end=0.5, idle=0.5),  # the init phase failed
         [("Queueing", 0.0, True), ("Init phase", 0.1, True)]),
        ("responding", Timeline(assigned=0.0, start=0.0, first_byte=0.2),
         [("Queueing", 0.0, True), ("Handler", 0.0, True), ("Response", 0.2, False)]),
        ("responded", Timeline(assigned=0.0, start=0.0, first_byte=0.2, end=0.3),
         [("Queueing", 0.0, True), ("Handler", 0.0, True), ("Response", 0.2, True),
          ("After the response", 0.3, False)]),
        ("done", Timeline(assigned=0.0, start=0.0, end=0.3, idle=0.3),  # it failed before its response
         [("Queueing", 0.0, True), ("Handler", 0.0, True), ("After the response", 0.3, True)]),
    ],
)  # fmt: skip
def test_the_steps_that_have_begun(status: str, line: Timeline, expected: list[tuple[str, float, bool]]) -> None:
    invocation = Invocation(source="alb", event=b"{}", status=status, timeline=line)  # type: ignore[arg-type]
    assert [(step.name, step.start, step.is_over) for step in steps(invocation)] == expected


def test_every_part_is_drawn_within_the_picture() -> None:
    invocation = record(request())
    invocation.timeline.init_start, invocation.timeline.init_end = -300.0, -299.0  # it was started in advance
    invocation.timeline.parts = [Part(0.01 + number / 1000, 1) for number in range(30)]
    shown = timeline(invocation)
    assert ("30 parts" in shown, "300 s" in shown) == (True, True)
    assert shown.count("<tr>") == 1 + 1 + 30  # the heads of both tables, and a row for each part
    bars = [(float(x), float(width)) for x, width in re.findall(r"M([\d.-]+) 0h([\d.]+)v", shown)]
    assert all(x >= 0 and x + width <= 1000.1 for x, width in bars)
    assert len(bars) == 30 + 4  # not the init phase, which was long before


@every_case(
    ("value", "text"),
    [(0.0, "0.0 ms"), (0.0012, "1.2 ms"), (0.25, "250 ms"), (1.5, "1.50 s"), (200.0, "200 s"), (-2.0, "\u22122.00 s")],
)
def test_times_are_short(value: float, text: str) -> None:
    assert seconds(value) == text
