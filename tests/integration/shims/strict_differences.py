"""A pytest plugin: `--differences FILE` names the tests that are expected to fail, and those that cannot run here.

FILE is a JSON array of {"tests": [...], "reason": ..., "runs": bool}. A test is named by its whole id, by its id
without parameters, or by the beginning of its id up to some of the parameters. A named test that passes is a failure,
and so is a name that no test has.
"""

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--differences", type=Path, required=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unmatched = []
    for row in json.loads(config.getoption("differences").read_text(encoding="utf-8")):
        expected = pytest.mark.xfail(reason=row["reason"], run=row["runs"], strict=True)
        for name in row["tests"]:
            named = [item for item in items if is_named(item.nodeid, name)]
            for item in named:
                item.add_marker(expected)
            if not named:
                unmatched.append(name)
    if unmatched:
        raise pytest.UsageError(f"The suite has no tests with these names: {unmatched}")


def is_named(test_id: str, name: str) -> bool:
    return test_id == name or test_id.startswith(name if "[" in name else f"{name}[")
