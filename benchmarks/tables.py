"""Tables in Markdown."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from benchmarks.rounds import Figure

__all__ = ["BY_LEAST", "BY_MEDIAN", "MEDIAN", "Table", "as_markdown", "judged", "not_measured", "placed", "shown"]

MEDIAN = "median (least)"

# The note of a table with a goal: which of the two numbers decides.
BY_LEAST = "Judged by the least, which the machine's other work disturbs least."
BY_MEDIAN = "Judged by the median: several processes take part, and the least of one is not the least of all."


class Table(NamedTuple):
    """`rows`: the row's name first. `notes`: sentences below the table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def not_measured(title: str, reason: str) -> Table:
    """Return the replacement of a table that this machine cannot fill."""
    return Table(title, [], [], [f"Not measured: {reason}"])


def shown(figure: Figure, digits: int = 1) -> str:
    """Return the median, and the least in brackets."""
    return f"{figure.median:.{digits}f} ({figure.least:.{digits}f})"


def judged(figure: Figure, goal: float, *, by: Literal["median", "least"] = "median", digits: int = 2) -> str:
    """Return the same as `shown`, and whether it meets the goal."""
    value = figure.median if by == "median" else figure.least
    return f"{shown(figure, digits)} {'met' if value <= goal else 'missed'}"


def as_markdown(table: Table) -> str:
    """Return a heading, a pipe table if there are rows, and a paragraph for each note."""
    rule = ["---", *("---:" for _ in table.columns)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in (["", *table.columns], rule, *table.rows))
    return "\n\n".join([f"### {table.title}", *([rows] if table.rows else []), *table.notes])


def placed(document: str, name: str, text: str) -> str:
    """Return the document with `text` between `<!-- NAME -->` and `<!-- end of NAME -->`. Raises ValueError."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = document.partition(start)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"Expected {start.strip()!r} and {end!r} in the document, but one of them is missing.")
    return f"{before}{start}\n{text}\n\n{end}{after}"
