"""JSON from outside."""

import pytest

from bridge.testing.strict_json import strict_json
from tests.cases import every_case


@every_case(
    ("content", "expected"),
    [(b'{"a": "\xc3\xa9"}', {"a": "é"}), ("[1, 2.5, null, true]", [1, 2.5, None, True]), (b' "x" ', "x")],
)
def test_what_is_json(content: bytes | str, expected: object) -> None:
    assert strict_json(content) == expected


@every_case(
    "content",
    [b"", b"{", b"NaN", b"[-Infinity]", b"\xff", "{}".encode("utf-16"), "{}".encode("utf-32-be"), b"\xef\xbb\xbf{}"],
)
def test_what_is_not(content: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        strict_json(content)


@every_case("content", ["\ufeff{}", "[" * 100_000, b'{"a":' * 100_000])
def test_what_is_not_either(content: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        strict_json(content)
