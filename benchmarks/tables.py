"""Tables for a terminal and for the documentation, out of the same rows."""

from collections.abc import Sequence
from typing import NamedTuple

from .rounds import Figure

__all__ = ["Table", "as_markdown", "as_text", "shown"]


class Table(NamedTuple):
    """`rows`: the row's name first. `notes`: sentences below the table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def as_text(table: Table) -> str:
    """Columns aligned, names to the left and figures to the right."""
    lines = [["", *table.columns], *table.rows]
    columns = [[len(cell) for cell in column] for column in zip(*lines, strict=True)]
    first, *others = map(max, columns)
    aligned = [
        "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])
        for name, *cells in lines
    ]
    return "\n".join([table.title, *(f"  {line}".rstrip() for line in aligned), *(f"  {note}" for note in table.notes)])


def as_markdown(table: Table) -> str:
    """A heading, a pipe table, and a paragraph for each note."""
    rule = ["---", *("---:" for _ in table.columns)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in (["", *table.columns], rule, *table.rows))
    return "\n\n".join([f"### {table.title}", rows, *table.notes])


def shown(figure: Figure, digits: int = 1) -> str:
    """The median, and the least in brackets."""
    return f"{figure.median:.{digits}f} ({figure.least:.{digits}f})"
