"""docs/comparison.md quotes lines of the adapters that are packages of Python: they say so."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.comparison import COLUMNS, PEERS, Peer, rows


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.column)
def test_each_line_says_what_the_page_quotes(peer: Peer) -> None:
    try:
        installed = version(peer.package)
    except PackageNotFoundError:
        installed = "no"
    if installed != peer.version():
        pytest.skip(f"The page is about {peer.package} {peer.version()}, and {installed} version is installed.")
    spec = find_spec(peer.module)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent

    quoted = [line for row in rows() for line in peer.lines(row[COLUMNS.index(peer.column)])]
    assert quoted
    assert [line for line in quoted if line.text not in source_line(folder / line.file, line.number)] == []


def source_line(file: Path, number: int) -> str:
    return file.read_text("utf-8").splitlines()[number - 1]
