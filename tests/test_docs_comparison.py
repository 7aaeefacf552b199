"""The table of docs/comparison.md is whole. test_docs.py finds the tests that it names."""

import re

import pytest

from tests.comparison import COLUMNS, PEERS, Peer, rows

# What a cell of an adapter may say without a line of its source.
WITHOUT_A_LINE = {"no", "-", "as 1.0"}


def test_every_row_has_a_filled_cell_in_every_column() -> None:
    assert [row for row in rows() if len(row) != len(COLUMNS) or not all(row)] == []
    features = [row[0] for row in rows()]
    assert len(features) == len(set(features)) > 50


def test_each_cell_of_bridge_names_a_test_and_is_never_no() -> None:
    cells = {row[0]: row[-1] for row in rows()}
    assert [feature for feature, cell in cells.items() if not re.search(r"\[`test_\w+`\]\(\.\./tests/", cell)] == []
    assert [feature for feature, cell in cells.items() if cell.startswith("no")] == []


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.column)
def test_each_cell_of_a_python_package_names_a_line(peer: Peer) -> None:
    cells = {row[0]: row[COLUMNS.index(peer.column)] for row in rows()}
    unproven = {feature: cell for feature, cell in cells.items() if not peer.lines(cell)}
    assert {feature: cell for feature, cell in unproven.items() if cell not in WITHOUT_A_LINE} == peer.elsewhere
