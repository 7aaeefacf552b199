"""The figures in docs/benchmarks.md: each part's output between two comments, and the goals that the tables judge."""

from collections.abc import Iterator, Mapping

from benchmarks.tables import MEDIAN, Table, as_markdown

__all__ = ["goals", "with_figures"]


def with_figures(document: str, figures: Mapping[str, str]) -> str:
    """Return the document with new text between `<!-- NAME -->` and `<!-- end of NAME -->`, and with all goals.

    Raises ValueError if it has no such place.
    """
    for name, text in figures.items():
        document = _put(document, name, text)
    return _put(document, "goals", goals(document))


def _put(document: str, name: str, text: str) -> str:
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = document.partition(start)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"Expected {start.strip()!r} and {end!r} in the document, but one of them is missing.")
    return f"{before}{start}\n{text}\n\n{end}{after}"


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
