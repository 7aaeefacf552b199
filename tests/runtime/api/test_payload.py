"""Events and results as JSON: what AWS's own runtime takes and gives, and no value that could end the process."""

import json
import math
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from bridge.errors import EventNotDecoded, InvocationFailed, ResultNotEncoded
from bridge.runtime.api.http import Reply
from bridge.runtime.api.payload import decode_event, encode_result
from bridge.runtime.api.vocabulary import Invocation


def invocation(body: bytes) -> Invocation:
    return Invocation(Reply(200, {b"lambda-runtime-aws-request-id": b"r-1"}, body))


# Events.


@pytest.mark.parametrize("event", [{}, [], None, True, 1.5, "caf\u00e9 \U0001f600", {"a": [{"b": None}]}])
def test_an_event_is_any_json(event: Any) -> None:
    assert decode_event(invocation(json.dumps(event).encode())) == event
    assert decode_event(invocation(json.dumps(event, ensure_ascii=False).encode())) == event


NO_EVENTS = {
    "nothing": (b"", "0 bytes"),
    "no JSON": (b"{", "1 bytes"),
    "two values": (b"{}{}", "4 bytes"),
    "no text": (b'"\xff"', "3 bytes"),
    "deep": (b"[" * 200_000, "200000 bytes"),
    "a number of many digits": (b"1" * 5_000, "5000 bytes"),
}


@pytest.mark.parametrize(("body", "size"), NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_json_is_no_event(body: bytes, size: str) -> None:
    with pytest.raises(EventNotDecoded) as caught:
        decode_event(invocation(body))
    assert isinstance(caught.value, InvocationFailed)
    assert caught.value.error_type == "Runtime.UnmarshalError"
    assert str(caught.value).startswith(f"Expected an event in JSON, but got {size} that cannot be decoded: ")
    assert len(str(caught.value)) < 300


# Results.


@pytest.mark.parametrize(
    ("result", "encoded"),
    [
        (None, b"null"),
        ({"a": [1, 2.5, True, None], "b": {}}, b'{"a":[1,2.5,true,null],"b":{}}'),
        ("caf\u00e9 \U0001f600 \x00", '"caf\u00e9 \U0001f600 \\u0000"'.encode()),
        ((1, (2,)), b"[1,[2]]"),
        (OrderedDict(b=1, a=2), b'{"b":1,"a":2}'),
        ({1: "a", None: "b", False: "c"}, b'{"1":"a","null":"b","false":"c"}'),
        ([math.nan, math.inf, -math.inf], b"[NaN,Infinity,-Infinity]"),
        ({"body": b"caf\xc3\xa9"}, '{"body":"caf\u00e9"}'.encode()),
        (b"\xff\x00", b"\xff\x00"),
        (b"", b""),
    ],
    ids=repr,
)
def test_a_result_is_as_short_as_json_can_be(result: object, encoded: bytes) -> None:
    assert encode_result(result) == encoded


@pytest.mark.parametrize("text", ["\ud800", "a\udc80b", "\udfff\ud800", "\\\ud800"])
def test_half_a_surrogate_pair_is_escaped(text: str) -> None:
    encoded = encode_result([text, "caf\u00e9"])
    assert json.loads(encoded.decode("utf-8")) == [text, "caf\u00e9"]
    assert "caf\u00e9".encode() in encoded


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("1", b"1"),
        ("19.90", b"19.90"),
        ("-0", b"-0"),
        ("1E+3", b"1E+3"),
        ("0.1234567890123456789012345678901234567", b"0.1234567890123456789012345678901234567"),
        ("12345678901234567890123456789012345678", b"12345678901234567890123456789012345678"),
        ("1E+999999999", b"1E+999999999"),
        ("1E-999999999", b"1E-999999999"),
        ("NaN", b"NaN"),
        ("sNaN", b"NaN"),
        ("-NaN", b"NaN"),
        ("Infinity", b"Infinity"),
    ],
)
def test_a_decimal_is_a_number_with_all_of_its_digits(number: str, written: bytes) -> None:
    assert encode_result(Decimal(number)) == written


def test_decimals_stand_where_they_belong() -> None:
    result = {"a": Decimal("1.0"), "b": ["text", Decimal("2.00"), {"c": Decimal(3)}], "d": Decimal("1.0")}
    assert encode_result(result) == b'{"a":1.0,"b":["text",2.00,{"c":3}],"d":1.0}'


class Broken(dict[str, int]):
    """A mapping whose own method fails."""

    def items(self) -> Any:
        raise LookupError("no items")


class Wordless(Exception):
    """Without a message."""


class Silent(dict[str, int]):
    def items(self) -> Any:
        raise Wordless


def endless() -> list[Any]:
    result: list[Any] = []
    result.append(result)
    return result


def deep() -> list[Any]:
    result: list[Any] = []
    for _ in range(200_000):
        result = [result]
    return result


def generated() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"at": object()}, "Object of type object is not JSON serializable"),
        ({1, 2}, "Object of type set is not JSON serializable"),
        (generated(), "Object of type generator is not JSON serializable"),
        ({(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"),
        ({"body": b"\xff"}, "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (bytearray(b"x"), "Object of type bytearray is not JSON serializable"),
        (endless(), "Circular reference detected"),
        (Broken(a=1), "no items"),
        (Silent(a=1), "Wordless"),
        (10**5000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_json_is_no_result(result: object, reason: str) -> None:
    with pytest.raises(ResultNotEncoded) as caught:
        encode_result(result)
    assert isinstance(caught.value, InvocationFailed)
    assert caught.value.error_type == "Runtime.MarshalError"
    assert str(caught.value).startswith(f"Expected the handler to return what JSON has, but {reason}")
    assert caught.value.__cause__ is not None


def test_a_result_that_is_too_deep_is_none() -> None:
    result = deep()
    with pytest.raises(ResultNotEncoded) as caught:
        encode_result(result)
    assert isinstance(caught.value.__cause__, RecursionError)
    while result:  # piece by piece, for interpreters that would do it in one go
        result = result[0]
