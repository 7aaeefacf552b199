"""The table of docs/comparison.md, as its tests read it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["COLUMNS", "PEERS", "Line", "Peer", "rows"]

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"

COLUMNS = (
    "feature",
    "Mangum",
    "Lambda Web Adapter 1.0",
    "its main branch",
    "serverless-wsgi",
    "apig-wsgi",
    "awslambdaric",
    "bridge",
)


class Line(NamedTuple):
    """A line of a peer's source: the file in its package, the number, and a part of what the line says."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class Peer:
    """A Python package. `module`: what has its files. `elsewhere`: cells whose proof is not in the package."""

    column: str
    package: str
    module: str
    elsewhere: dict[str, str] = field(default_factory=dict)

    def lines(self, cell: str) -> list[Line]:
        found = re.findall(r"`([\w/]+\.py):(\d+) ([^`]+)`", cell)
        return [Line(file, int(number), text) for file, number, text in found]

    def version(self) -> str:
        """Return the version that the page states."""
        stated = re.search(rf"^\| {self.column} \| ([\d.]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
        assert stated is not None
        return stated[1]


PEERS = (
    Peer("Mangum", "mangum", "mangum"),
    Peer(
        "serverless-wsgi",
        "serverless-wsgi",
        "serverless_wsgi",
        elsewhere={
            "commands of a framework in the deployed function": "its Serverless plugin, not the package",
            "events from the command line, and their answers": "its Serverless plugin, not the package",
        },
    ),
    Peer("apig-wsgi", "apig-wsgi", "apig_wsgi"),
    Peer("awslambdaric", "awslambdaric", "awslambdaric"),
)


def rows() -> list[list[str]]:
    """Return the cells of each row, of all tables whose columns are COLUMNS."""
    head = "| " + " | ".join(COLUMNS) + " |\n"
    tables = PAGE.read_text("utf-8").split(head)[1:]
    lines = [line for table in tables for line in table.partition("\n\n")[0].splitlines()[1:]]
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines]
