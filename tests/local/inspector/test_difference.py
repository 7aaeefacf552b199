"""What differs between two documents."""

from typing import Any

from bridge.local.inspector.difference import differences
from bridge.local.inspector.documents import difference_document
from tests.cases import every_case


@every_case(
    ("left", "right", "lines"),
    [
        ({}, {}, ["  {}"]),
        ({"a": 1}, {"a": 1}, ["  {", '   "a": 1', "  }"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["  {", '   "a": 1,', '   "b": 2', "  }"]),
        ({"a": 1}, {"a": True}, ["  {", '-  "a": 1', '+  "a": true', "  }"]),
        ({"a": 1}, {"b": {"c": []}}, ["  {", '-  "a": 1', '+  "b": {', '+   "c": []', "+  }", "  }"]),
        ({"a": 1}, [1], ["- {", '-  "a": 1', "- }", "+ [", "+  1", "+ ]"]),
        ([1, 2, 3, 4], [1, 3, 4], ["  [", "   1", "-  2", "   3", "   4", "  ]"]),
        ([{"k": 1, "l": 2}, 5], [{"k": 1, "l": 3}, 5],
         ["  [", "   {", '    "k": 1', '-   "l": 2', '+   "l": 3', "   }", "   5", "  ]"]),
        ([["host", "a"], ["x", "1"]], [["host", "b"], ["x", "1"]],
         ["  [", '-  ["host", "a"]', '+  ["host", "b"]', '   ["x", "1"]', "  ]"]),
        ("text", None, ['- "text"', "+ null"]),
    ],
)  # fmt: skip
def test_the_lines_of_both_documents(left: Any, right: Any, lines: list[str]) -> None:
    signs = {"same": " ", "removed": "-", "added": "+"}
    assert [f"{signs[line.kind]} {' ' * line.depth}{line.text}" for line in differences(left, right)] == lines


def test_only_what_is_near_a_difference_is_shown() -> None:
    left = {f"k{number}": number for number in range(1000)}
    shown = difference_document(left, left | {"k500": "other"})
    assert (shown.count("<del"), shown.count("<ins"), shown.count('class="line"')) == (1, 1, 8)
    assert "Nothing differs" in difference_document(left, dict(left))


def test_documents_may_be_long() -> None:
    numbers = list(range(50_000))
    assert [line.kind for line in differences(numbers, [-1, *numbers[1:]])].count("added") == 1
