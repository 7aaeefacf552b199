"""A result as JSON, beside AWS's own runtime: the same value, or a failure of the same kind."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import types
import typing
import uuid
from typing import Any

import pytest
from awslambdaric.lambda_runtime_exception import FaultException  # type: ignore[import-untyped]
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller  # type: ignore[import-untyped]

from bridge.errors import ResultNotEncoded
from bridge.runtime.api.payload import encode_result
from tests.cases import every_case


class Item(typing.NamedTuple):
    sku: Any
    count: Any = 1


Point = collections.namedtuple("Point", "x y")  # the other way to make one


class Row:
    def __init__(self, fields: Any) -> None:
        self._fields = fields

    def _asdict(self) -> Any:
        return self._fields


class Rows(list[Any]):
    def _asdict(self) -> Any:
        return {"rows": list(self)}


class Fields(dict[str, Any]):
    def _asdict(self) -> Any:
        return {"other": 1}


class Color(enum.Enum):
    RED = "red"


class TextColor(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Permission(enum.IntFlag):
    READ = 4


class Number(int):
    def __repr__(self) -> str:
        return "two"

    __str__ = __repr__


class Ratio(float):
    def __repr__(self) -> str:
        return "half"


class Text(str):
    def __str__(self) -> str:
        return "other"


class Octets(bytes):
    pass


class Pair(tuple[Any, ...]):
    pass


@dataclasses.dataclass
class Order:
    sku: str


class Typed(typing.TypedDict):
    sku: str


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)

RESULTS: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e300, 10**400, "", "caf\u00e9 \U0001f600", '\x00\x1f\x7f\u2028\\"/', [], {}, ()),
    *({"a": [1, [2, {"b": None}]]}, (1, (2,)), [[]] * 3, {"": ""}),
    # Named tuples, and what looks like one.
    *(Item("a"), [Item("a")], {"items": [Item("a-1", 3)]}, Item(Item("a"), (Item("b"),)), Point(1, Point(2, 3))),
    *({"a": (Item("a"), [Point(b"x", decimal.Decimal("1.0"))])}, Row({"a": Item("b")}), Row({}), Row([1]), Row(None)),
    *(Rows([1]), Fields(a=1), Pair([1, 2]), [Row({"a": {1, 2}})]),
    # Keys.
    *({b"sku": 1}, {"a": {b"caf\xc3\xa9": b"caf\xc3\xa9"}}, {Octets(b"a"): 1}, {b"\xff": 1}, {b"a": 1, "a": 2}),
    *({1: 1, None: 2, 2.5: 3}, {True: 1, False: 2}, {math.nan: 1}, {math.inf: 1}, {10**20: 1}, {Number(2): 1}),
    *({Ratio(0.5): 1}, {Text("a"): 1}, {TextColor.RED: 1}, {Level.LOW: 1}, {Permission.READ: 1}),
    *({(1, 2): 1}, {decimal.Decimal(1): 1}, {Color.RED: 1}, {frozenset(): 1}, {Item("a"): 1}, {uuid.UUID(int=1): 1}),
    # Values.
    *(["\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")], [b"", b"a", b"\xff"], [Octets(b"a")]),
    *([bytearray(b"a")], [memoryview(b"a")], [Number(2), Ratio(0.5), Text("a")], [TextColor.RED, Level.LOW]),
    *([Permission.READ], [Color.RED], [math.nan, math.inf, -math.inf], [-0.0, 1e22, 5e-324]),
    *([decimal.Decimal(number)] for number in ("1", "1.10", "-0", "1E+3", "NaN", "sNaN", "Infinity", "-Infinity")),
    *({"a": decimal.Decimal("0.12345678901234567890"), "b": [decimal.Decimal(1)] * 2}, [decimal.Decimal(10) ** 30]),
    *([datetime.datetime.now()], [datetime.date.today()], [datetime.timedelta(1)], [uuid.UUID(int=1)]),
    *([{1, 2}], [frozenset()], [Order("a")], [Order], Typed(sku="a"), [fractions.Fraction(1, 2)], [1j], [object()]),
    *(collections.OrderedDict(b=1, a=2), collections.defaultdict(int, a=1), collections.Counter("aab")),
    *(collections.ChainMap({"a": 1}), collections.UserDict(a=1), types.MappingProxyType({"a": 1})),
    *(collections.deque([1]), range(3), iter([1]), (each for each in [1]), {}.keys(), {"a": 1}.items()),
    *(types.SimpleNamespace(a=1), Exception("a"), len, int, ENDLESS, 10**5000),
]


def ours(result: Any) -> Any:
    try:
        body = encode_result(result)
    except ResultNotEncoded as exc:
        return exc.error_type
    return repr(json.loads(body))  # with the types, and with a NaN that is equal to another


def theirs(result: Any) -> Any:
    try:
        body, _ = LambdaMarshaller().marshal_response(result)
    except FaultException as exc:
        return exc.exception_type
    return repr(json.loads(body))


@every_case(("environment", "result"), [(name, result) for name in ("3.11", "3.13") for result in RESULTS])
def test_a_result_is_the_same_value_as_with_awslambdaric(
    environment: str, result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_python{environment}")
    if not isinstance(result, types.GeneratorType | type(iter([]))):  # both refuse these unread
        assert ours(result) == theirs(result)
