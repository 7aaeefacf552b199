"""The steps of an invocation, and their picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.local.inspector.elements import Markup, element
from bridge.local.invocation import Invocation, Part

__all__ = ["Step", "seconds", "steps", "timeline"]

# The picture's width, in its own units, and the smallest width at which a step can be seen.
_WIDTH, _VISIBLE = 1000.0, 3.0


@dataclass(frozen=True)
class Step:
    """`start`, `end`: in seconds since the invocation was received. `is_over`: False for one that lasts."""

    name: str
    kind: str
    start: float
    end: float
    is_over: bool = True
    parts: tuple[Part, ...] = ()


def steps(invocation: Invocation) -> list[Step]:
    """Return the steps that have begun, in order."""
    return list(_steps(invocation))


def _steps(invocation: Invocation) -> Iterator[Step]:
    line, now = invocation.timeline, invocation.since()
    spans: tuple[tuple[str, str, float | None, float | None], ...] = (
        ("Queueing", "queue", 0.0, line.assigned if line.assigned is not None else line.end),
        ("Init phase", "init", line.init_start, line.init_end),
        ("Restore", "restore", line.restore_start, line.restore_end),
        ("Handler", "handler", line.start, line.end if line.first_byte is None else line.first_byte),
        ("Response", "response", line.first_byte, line.end),
        ("After the response", "after", line.end if line.start is not None else None, line.idle),
    )
    for name, kind, start, end in spans:
        if start is None:
            continue
        is_over = end is not None or invocation.status == "done"
        last = end if end is not None else (start if is_over else now)
        parts = tuple(line.parts) if kind == "response" else ()
        yield Step(name, kind, start, max(start, last), is_over, parts)


def timeline(invocation: Invocation) -> Markup:
    """Return a table with one row for each step. A step that ended before the request came is not drawn to scale."""
    every = steps(invocation)
    first = min([0.0, *(step.start for step in every if step.end >= 0)])
    last = max([first + 1e-6, *(step.end for step in every)])
    return element(
        "table",
        element("caption", "Timeline, since the request was received", class_="hidden"),
        element(
            "thead",
            element("tr", *(element("th", head, scope="col") for head in ("Step", "Time", "Begins at", "Takes"))),
            class_="hidden",
        ),
        element("tbody", (_row(step, first, last) for step in every)),
        class_="timeline",
    )


def _row(step: Step, first: float, last: float) -> Markup:
    takes = seconds(step.end - step.start) if step.is_over else f"{seconds(step.end - step.start)} so far"
    count = len(step.parts)
    parts = element("small", f" {count} part{'s' if count != 1 else ''}", class_="parts") if count else None
    return element(
        "tr",
        element("th", step.name, parts, scope="row"),
        element("td", _picture(step, first, last), class_="track"),
        element("td", f"at {seconds(step.start)}", class_="number"),
        element("td", takes, class_="number"),
        class_=f"step {step.kind}",
        data_parts=count or None,
    )


def _picture(step: Step, first: float, last: float) -> Markup:
    scale = _WIDTH / (last - first)
    bars = []
    if step.end >= first:
        bars.append(_bar((step.start - first) * scale, (step.end - step.start) * scale, "bar"))
    bars += [_bar((part.at - first) * scale, 0.0, "part", f"{part.size} bytes") for part in step.parts]
    return element("svg", bars, viewBox="0 0 1000 20", preserveAspectRatio="none", aria_hidden="true")


def _bar(x: float, width: float, kind: str, title: str = "") -> Markup:
    width = max(width, _VISIBLE)
    x = min(max(x, 0.0), _WIDTH - width)
    return element(
        "path", element("title", title) if title else None, d=f"M{x:.1f} 0h{width:.1f}v20H{x:.1f}z", class_=kind
    )


def seconds(value: float) -> str:
    """Return a time for a reader: "1.20 s", "12 ms"."""
    sign, value = ("\N{MINUS SIGN}" if value < 0 else ""), abs(value)
    if value < 0.0995:
        return f"{sign}{value * 1000:.1f} ms" if value < 0.00995 else f"{sign}{value * 1000:.0f} ms"
    if value < 0.9995:
        return f"{sign}{value * 1000:.0f} ms"
    return f"{sign}{value:.2f} s" if value < 100 else f"{sign}{value:.0f} s"
