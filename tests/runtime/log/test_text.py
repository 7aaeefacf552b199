"""Text and JSON of whatever an application logs or raises."""

import json
import math
from typing import Any

import pytest

from bridge.runtime.log.text import json_text, one_line, printable, safe_text


class Mute:
    def __str__(self) -> str:
        raise LookupError("no words")


class Deceptive(dict[str, Any]):
    def items(self) -> Any:
        raise LookupError("no items")

    def __repr__(self) -> str:
        return "<deceptive>"


def circle() -> list[Any]:
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_the_text_of_an_object_is_its_own_as_long_as_it_has_one() -> None:
    assert safe_text(ValueError("caf\u00e9")) == "caf\u00e9"
    assert safe_text(Mute()) == "<Mute object whose text raises LookupError>"


def test_a_lone_surrogate_is_shown_by_its_code() -> None:
    for text in ("", "caf\u00e9 \U0001f600"):
        assert printable(text) == text
    assert printable("a\udc80\ud800b\u00e9") == "a\\udc80\\ud800b\u00e9"


def test_a_text_in_one_line_has_no_control_characters() -> None:
    for text in ("", "caf\u00e9 \U0001f600 \\", "\u00a0 \u200d"):
        assert one_line(text) == text
    assert one_line("a\r\nb\t\0\x1b\x7f\x85\u2028") == r"a\r\nb\t\x00\x1b\x7f\x85\u2028"


def test_a_json_value_is_written_as_it_is() -> None:
    values: list[Any] = [None, True, 0, -1.5, "", 'caf\u00e9 "\n', [], {}, {"a": [1, {"b": None}]}, {"\u2028": "\x00"}]
    for value in values:
        text = json_text(value)
        assert (json.loads(text), "\n" in text) == (value, False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"at": {1}}, {"at": "{1}"}),
        ({"bytes": b"x", "object": Mute()}, {"bytes": "b'x'", "object": "<Mute object whose text raises LookupError>"}),
        ({(1, 2): "tuple", b"b": "bytes", "c": 1}, {"(1, 2)": "tuple", "b'b'": "bytes", "c": 1}),
        ([math.nan, math.inf, 1.5], ["nan", "inf", 1.5]),
        ({"inner": Deceptive(a=math.nan), "b": 1}, {"inner": "<deceptive>", "b": 1}),
        ([10**5000, 1], ["<int object whose text raises ValueError>", 1]),
        (Mute(), "<Mute object whose text raises LookupError>"),
        ({"a": "x\udc80"}, {"a": "x\\udc80"}),
        ("\ud83d\ude00", "\\ud83d\\ude00"),
    ],
)
def test_what_json_cannot_say_is_text_and_the_rest_stays(value: object, expected: object) -> None:
    text = json_text(value)
    assert json.loads(text) == expected
    assert text.encode("utf-8")


def test_a_circle_and_a_depth_without_end_are_cut() -> None:
    assert json_text({"ring": circle(), "b": 1}).startswith('{"ring": [1, [1, [')
    assert json.loads(json_text({"deep": nested(100_000), "b": 1}))["b"] == 1
