"""Events and results as JSON, as AWS's own runtime has them; no value may end the process."""

import enum
import json
import math
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from bridge.errors import EventNotDecoded, InvocationFailed, ResultNotEncoded
from bridge.runtime.api.http import Reply
from bridge.runtime.api.payload import decode_event, encode_result
from bridge.runtime.api.vocabulary import Invocation


def invocation(body: bytes) -> Invocation:
    return Invocation(Reply(200, {b"lambda-runtime-aws-request-id": b"r-1"}, body))


class Item(NamedTuple):
    sku: Any
    count: Any


class Row:
    """Not a tuple, but it has what one has that is named."""

    def _asdict(self) -> dict[str, str]:
        return {"sku": "a-1"}


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Number(int):
    def __repr__(self) -> str:
        return "two"


class Ratio(float):
    def __repr__(self) -> str:
        return "half"


class Text(str):
    pass


# Events.


def test_an_event_is_any_json() -> None:
    events: list[Any] = [{}, [], None, True, 1.5, "caf\u00e9 \U0001f600", {"a": [{"b": None}]}]
    for event in events:
        assert decode_event(invocation(json.dumps(event).encode())) == event
        assert decode_event(invocation(json.dumps(event, ensure_ascii=False).encode())) == event


def test_a_body_that_is_not_json_is_not_an_event() -> None:
    for body in (b"", b"{", b"{}{}", b'"\xff"', b"[" * 200_000, b"1" * 5_000):
        with pytest.raises(EventNotDecoded, match=f"got {len(body)} bytes") as caught:
            decode_event(invocation(body))
        assert isinstance(caught.value, InvocationFailed)
        assert caught.value.error_type == "Runtime.UnmarshalError"
        assert len(str(caught.value)) < 300


# Results.


def test_a_result_is_as_short_as_json_can_be() -> None:
    cases: list[tuple[object, bytes]] = [
        (None, b"null"),
        ({"a": [1, 2.5, True, None], "b": {}}, b'{"a":[1,2.5,true,null],"b":{}}'),
        ("caf\u00e9 \U0001f600 \x00", '"caf\u00e9 \U0001f600 \\u0000"'.encode()),
        ((1, (2,)), b"[1,[2]]"),
        (OrderedDict(b=1, a=2), b'{"b":1,"a":2}'),
        ({"items": [Item("a-1", 3)]}, b'{"items":[{"sku":"a-1","count":3}]}'),
        (
            Item("a-1", Item(b"b", (Item("c", 1),))),
            b'{"sku":"a-1","count":{"sku":"b","count":[{"sku":"c","count":1}]}}',
        ),
        ([Row()], b'[{"sku":"a-1"}]'),
        ({b"sku": {b"caf\xc3\xa9": 1}}, '{"sku":{"caf\u00e9":1}}'.encode()),
        ({b"a": 1, "b": 2}, b'{"a":1,"b":2}'),
        ({Color.RED: [Color.RED, Level.LOW, Number(2), Ratio(0.5), Text("t")]}, b'{"red":["red",1,2,0.5,"t"]}'),
        ({2: 1, True: 2, None: 3, 1.5: 4}, b'{"2":1,"true":2,"null":3,"1.5":4}'),
        ({1: "a", None: "b", False: "c"}, b'{"1":"a","null":"b","false":"c"}'),
        ([math.nan, math.inf, -math.inf], b"[NaN,Infinity,-Infinity]"),
        ({"body": b"caf\xc3\xa9"}, '{"body":"caf\u00e9"}'.encode()),
        (b"\xff\x00", b"\xff\x00"),
        (b"", b""),
    ]
    for result, encoded in cases:
        assert encode_result(result) == encoded


def test_half_a_surrogate_pair_is_escaped() -> None:
    for text in ("\ud800", "a\udc80b", "\udfff\ud800", "\\\ud800"):
        encoded = encode_result([text, "caf\u00e9"])
        assert json.loads(encoded.decode("utf-8")) == [text, "caf\u00e9"]
        assert "caf\u00e9".encode() in encoded


def test_a_decimal_is_a_number_with_all_of_its_digits() -> None:
    digits = ["1", "19.90", "-0", "1E+3", "0.1234567890123456789012345678901234567", "1E+999999999", "Infinity"]
    for number in (*digits, "12345678901234567890123456789012345678", "1E-999999999"):
        assert encode_result(Decimal(number)) == number.encode()
    for number in ("NaN", "sNaN", "-NaN"):
        assert encode_result(Decimal(number)) == b"NaN"


def test_decimals_are_where_they_belong() -> None:
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


def endless_item() -> Item:
    item = Item(1, [])
    item.count.append(item)
    return item


def deep() -> list[Any]:
    result: list[Any] = []
    for _ in range(200_000):
        result = [result]
    return result


def generated() -> Iterator[int]:
    yield 1


def test_a_value_that_json_does_not_have_is_not_a_result() -> None:
    cases: list[tuple[object, str]] = [
        ({"at": object()}, "type object"),
        ({1, 2}, "type set"),
        (generated(), "type generator"),
        ({(1, 2): 3}, "not tuple"),
        ({b"\xff": 3}, "0xff"),
        ([Item(1, {1, 2})], "type set"),
        ({"a": [Decimal(1)], "b": object()}, "type object"),
        (endless_item(), "recursion"),
        ({"body": b"\xff"}, "0xff"),
        (bytearray(b"x"), "type bytearray"),
        (endless(), "Circular reference"),
        (Broken(a=1), "no items"),
        (Silent(a=1), "Wordless"),
        (10**5000, "4300 digits"),
    ]
    for result, fact in cases:
        with pytest.raises(ResultNotEncoded, match=fact) as caught:
            encode_result(result)
        assert isinstance(caught.value, InvocationFailed)
        assert caught.value.error_type == "Runtime.MarshalError"
        assert caught.value.__cause__ is not None


def test_a_result_that_is_too_deep_is_refused() -> None:
    result = deep()
    with pytest.raises(ResultNotEncoded) as caught:
        encode_result(result)
    assert isinstance(caught.value.__cause__, RecursionError)
    while result:  # piece by piece, for interpreters that would do it in one go
        result = result[0]
