"""The steps of an invocation, and their picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.local.inspector.elements import Markup, element
from bridge.local.invocation import MAX_PARTS, Invocation, Part

__all__ = ["Step", "seconds", "steps", "timeline"]

# The picture's width, in its own units; and the smallest width at which a step can be seen, or one part of a few.
_WIDTH, _VISIBLE = 1000.0, 3.0

Span = tuple[str, str, float | None, float | None]


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
    spans: tuple[Span, ...] = (
        ("Queueing", "queue", 0.0, _first_of(line.assigned, line.end)),
        *_starts(invocation),
        ("Handler", "handler", line.start, _first_of(line.first_byte, line.end)),
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


def _starts(invocation: Invocation) -> Iterator[Span]:
    """Yield the start of the environment. While it starts for the invocation, its own times are not known yet."""
    line = invocation.timeline
    init, restore = line.init_start, line.restore_start
    if invocation.status == "starting" and restore is None:
        if line.init_end is None:
            init = _first_of(init, line.assigned)
        else:
            restore = line.assigned
    # One without an end of its own failed, and so did the invocation.
    yield "Init phase", "init", init, _first_of(line.init_end, line.end)
    yield "Restore", "restore", restore, _first_of(line.restore_end, line.end)


def _first_of(*moments: float | None) -> float | None:
    return next((moment for moment in moments if moment is not None), None)


def timeline(invocation: Invocation) -> Markup:
    """Return a table with one row for each step. A step that ended before the request came is not drawn to scale."""
    every = steps(invocation)
    first = min([0.0, *(step.start for step in every if step.end >= 0)])
    last = max([first + 1e-6, *(step.end for step in every)])
    picture = element("th", element("span", "Picture", class_="hidden"), scope="col", class_="track")
    begins, takes = (element("th", head, scope="col", class_="number") for head in ("Begins at", "Takes"))
    table = element(
        "table",
        element("caption", "Timeline, since the request was received", class_="hidden"),
        element("thead", element("tr", element("th", "Step", scope="col"), picture, begins, takes)),
        element("tbody", (_row(step, first, last) for step in every)),
        class_="timeline",
    )
    return element("div", table, [_parts(step.parts) for step in every if step.parts])


def _row(step: Step, first: float, last: float) -> Markup:
    takes = seconds(step.end - step.start) if step.is_over else f"{seconds(step.end - step.start)} so far"
    count = len(step.parts)
    parts = element("small", f" {count} part{'s' if count != 1 else ''}", class_="parts") if count else None
    return element(
        "tr",
        element("th", step.name, parts, scope="row"),
        element("td", _picture(step, first, last), class_="track"),
        element("td", seconds(step.start), class_="number"),
        element("td", takes, class_="number"),
        class_=f"step {step.kind}",
        data_parts=count or None,
    )


def _picture(step: Step, first: float, last: float) -> Markup:
    scale = _WIDTH / (last - first)
    bar = _bar((step.start - first) * scale, (step.end - step.start) * scale, _VISIBLE) if step.end >= first else ""
    # Many parts are thin lines, so that one sees where they are dense.
    width = min(_VISIBLE, 0.5 * _WIDTH / max(1, len(step.parts)))
    parts = "".join(_bar((part.at - first) * scale, 0.0, width) for part in step.parts)
    drawn = [element("path", d=path, class_=kind) for path, kind in ((bar, "bar"), (parts, "part")) if path]
    return element("svg", drawn, viewBox="0 0 1000 20", preserveAspectRatio="none", aria_hidden="true")


def _bar(x: float, width: float, narrowest: float) -> str:
    """Return the path of a rectangle."""
    width = max(width, narrowest)
    x = min(max(x, 0.0), _WIDTH - width)
    return f"M{x:.1f} 0h{width:.1f}v20H{x:.1f}z"


def _parts(parts: Sequence[Part]) -> Markup:
    """Return the table of a stream's parts."""
    heads = (element("th", head, scope="col", class_="number") for head in ("Part", "Arrives at", "Bytes"))
    cells = ((f"{number:,}", seconds(part.at), f"{part.size:,}") for number, part in enumerate(parts, 1))
    rows = (element("tr", (element("td", text, class_="number") for text in row)) for row in cells)
    note = f"All parts from number {MAX_PARTS:,} on are one row." if len(parts) == MAX_PARTS else None
    table = element("table", element("thead", element("tr", *heads)), element("tbody", rows), class_="parts")
    scrolled = element("div", table, tabindex=0, role="group", aria_label="Parts of the response", class_="scrolled")
    summary = element("summary", f"Parts of the response: {len(parts):,}")
    return element("details", summary, scrolled, note, id="parts-table", class_="small")


def seconds(value: float) -> str:
    """Return a time for a reader: "1.20 s", "12 ms"."""
    sign, value = ("\N{MINUS SIGN}" if value < 0 else ""), abs(value)
    if value < 0.0995:
        return f"{sign}{value * 1000:.1f} ms" if value < 0.00995 else f"{sign}{value * 1000:.0f} ms"
    if value < 0.9995:
        return f"{sign}{value * 1000:.0f} ms"
    return f"{sign}{value:.2f} s" if value < 100 else f"{sign}{value:.0f} s"
