"""docs/peer-suites.md has the tables of the tests."""

import re
from pathlib import Path

from tests.integration.suites_table import SUITES

PAGE = (Path(__file__).parents[1] / "docs" / "peer-suites.md").read_text(encoding="utf-8")


def test_the_page_says_how_many_tests_pass() -> None:
    assert re.findall(r"(\d+) of [\w-]+'s (\d+)", PAGE) == [(str(suite.passed), str(suite.tests)) for suite in SUITES]


def test_the_page_has_the_differences_of_each_suite_with_their_reasons() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    rows = {
        section.partition("\n")[0].lower(): [
            (tuple(re.findall(r"`(tests/.+?)`", tests)), reason)
            for tests, reason in re.findall(r"^\| (`tests/.+?) \| (.+) \|$", section, re.MULTILINE)
        ]
        for section in sections
    }
    assert rows == {
        f"{suite.project} {suite.version}": [(difference.tests, difference.reason) for difference in suite.differences]
        for suite in SUITES
    }
