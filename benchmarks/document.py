"""The figures in docs/benchmarks.md: each part's output between two comments, and the goals that the tables judge."""

from collections.abc import Iterator, Mapping

from benchmarks.contestants import BRIDGE, MANGUM, MANGUM_AUTO, SOCKET
from benchmarks.tables import MEDIAN, Table, as_markdown, placed

__all__ = ["goals", "of_readme", "with_figures"]


def with_figures(document: str, figures: Mapping[str, str]) -> str:
    """Return the document with new text between `<!-- NAME -->` and `<!-- end of NAME -->`, and with all goals.

    Raises ValueError if it has no such place.
    """
    for name, text in figures.items():
        document = placed(document, name, text)
    return placed(document, "goals", goals(document))


def goals(document: str) -> str:
    """Return a table of all rows with a verdict, as Markdown: the columns that meet the goal or miss it."""
    rows = []
    for title, columns, (name, *cells) in _rows(document):
        judged = list(zip(columns, cells, strict=True))
        missed, met = (
            "; ".join(f"{column}: {cell.removesuffix(end)}" for column, cell in judged if cell.endswith(end))
            for end in (" missed", " met")
        )
        if missed or met:
            rows.append([f"{title.partition(':')[0]}: {name.strip()}", missed, met])
    return as_markdown(Table("Goals", ["missed", "met"], rows)).replace(f"{MEDIAN}: ", "").replace(f", {MEDIAN}", "")


def of_readme(document: str) -> str:
    """The line with the figures of README's first table: the least of a Function URL with the bare application."""
    found = {
        (title.partition(" with ")[0].partition(",")[0], name): cells[0].partition("(")[2].partition(")")[0]
        for title, _, (name, *cells) in _rows(document)
        if "bare ASGI app: us" in title
    }
    own = [found.get(("Own cost", name), "?") for name in (BRIDGE, MANGUM, MANGUM_AUTO)]
    socket = found.get(("Small body", SOCKET), "?")
    return f"README: {BRIDGE} {own[0]} us; {MANGUM} {own[1]} us; {MANGUM_AUTO} {own[2]} us; a socket hop {socket} us"


def _rows(document: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each row of each pipe table, with the heading above the table and the names of its columns."""
    title, columns = "", list[str]()
    for line in document.splitlines():
        if line.startswith("#"):
            title, columns = line[4:] if line.startswith("### ") else "", []
        elif line.startswith("| ") and title not in ("", "Goals"):
            cells = line.strip("| ").split(" | ")
            if columns:
                yield title, columns, cells
            else:  # the head, whose first cell is empty
                columns = cells
