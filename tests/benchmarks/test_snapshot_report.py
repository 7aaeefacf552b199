"""What the restores of a machine are judged by, without the machine."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.snapshot.contestants import CONTESTANTS, Contestant
from benchmarks.snapshot.report import Restore, faults, tables
from benchmarks.tables import placed

STOCK = Contestant("stock", "stock", {}, ("GET", "POST"), "all")
PROXY = Contestant("proxy", "forwarded", {}, ("GET",), "none")
BRIDGE = Contestant("bridge", "lifespan", {}, ("GET",), "none", is_primed=True)

FAILED = (0, "no response")
FINE = (200, '{"origin": "fine"}')


def drawn(number: int, *, database: str = "fine", unique: str = "") -> tuple[int, str]:
    draws = {"`os.urandom(16)`": unique or f"{number}", "a `random.Random` of the application": "0.5"}
    return 200, json.dumps({"origin": "fine", "database": database, "draws": draws})


def restores(changes: dict[str, tuple[int, str]] | None = None, *, late: int = 0) -> list[Restore]:
    """Return three restores that are as expected, except for one outcome in the last one.

    `late`: how many requests of `proxy` came over a dead connection in each.
    """
    rounds = [{"stock": [FAILED, FAILED], "proxy": [FINE], "bridge": [drawn(number)]} for number in range(3)]
    for name, outcome in (changes or {}).items():
        rounds[-1][name][-1] = outcome
    counts = {"stock": 2, "proxy": late, "bridge": 0}
    return [Restore(wall=60.0, monotonic=0.1, outcomes=outcomes, late=counts) for outcomes in rounds]


def found(changes: dict[str, tuple[int, str]] | None = None) -> list[str]:
    return faults([STOCK, PROXY, BRIDGE], restores(changes))


def test_restores_that_are_as_expected_have_no_faults() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"proxy": FAILED}, ["proxy, origin", "0 of 3", "got 1", "no response"]),
        ({"proxy": (502, "Bad Gateway")}, ["proxy, origin", "0 of 3", "got 1", "502: Bad Gateway"]),
        ({"stock": FINE}, ["stock, origin", "6 of 6", "got 5"]),
        ({"bridge": drawn(2, database="ConnectionError()")}, ["bridge, database", "0 of 3", "ConnectionError()"]),
        ({"bridge": drawn(2, unique="0")}, ["os.urandom", "3 different", "got 2"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_not_as_expected_is_one_line(changes: dict[str, tuple[int, str]], facts: list[str]) -> None:
    (line,) = found(changes)
    assert [fact for fact in facts if fact not in line] == []


def test_a_request_that_had_to_be_repeated_is_one_line() -> None:
    (line,) = faults([STOCK, PROXY, BRIDGE], restores(late=1))
    assert "proxy: expected no request over a dead connection, but got 3" in line


def test_machines_that_are_not_alike_prove_nothing() -> None:
    values = [json.loads(drawn(number)[1]) for number in range(3)]
    for number, value in enumerate(values):
        value["draws"]["a `random.Random` of the application"] = f"0.{number}"
    rounds = [Restore(60.0, 0.1, {"bridge": [(200, json.dumps(value))]}, {"bridge": 0}) for value in values]
    (line,) = faults([BRIDGE], rounds)
    assert "not alike" in line


def test_the_tables_count_what_failed_and_what_differs() -> None:
    failures, draws = tables([STOCK, PROXY, BRIDGE], restores({"proxy": FAILED}))
    assert failures.rows == [
        ["stock", "6 of 6", "6", ""],
        ["proxy", "1 of 3", "0", ""],
        ["bridge", "0 of 3", "0", "0 of 3"],
    ]
    assert draws.rows == [["`os.urandom(16)`", "3", "3"], ["a `random.Random` of the application", "3", "1"]]


def test_the_page_about_snapstart_has_the_result_of_every_function() -> None:
    page = (Path(__file__).parents[2] / "docs" / "snapstart.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| \d+ of \d+ \|", page, re.MULTILINE)
    assert rows == [contestant.name for contestant in CONTESTANTS]
    assert placed(page, "restores", "new").count("\nnew\n") == 1
