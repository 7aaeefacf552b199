"""Events, and objects and arrays in them, that are other mappings and sequences than JSON's dicts and lists."""

from collections import OrderedDict, UserDict, UserList
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from bridge import Bridge
from bridge.errors import UnsupportedEvent
from bridge.sources import select_source
from tests.cases import every_case
from tests.events import BASES, load
from tests.sources.exchange import CONTEXT, JSON_RESPONSE, Answer, answer


class DataClass(Mapping[str, Any]):
    """The shape of the data classes of Powertools for AWS Lambda."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


Convert = Callable[[Any], Any]


def rebuilt(value: Any, to_object: Convert, to_array: Convert) -> Any:
    """Return `value` with every object and every array in it, itself included, of another type."""
    if isinstance(value, dict):
        return to_object({key: rebuilt(item, to_object, to_array) for key, item in value.items()})
    if isinstance(value, list):
        return to_array([rebuilt(item, to_object, to_array) for item in value])
    return value


@every_case("name", BASES)
@every_case("to_object", [DataClass, UserDict, MappingProxyType, OrderedDict])
@every_case("to_array", [list, tuple, UserList])
def test_any_mapping_is_answered_like_a_dict(name: str, to_object: Convert, to_array: Convert) -> None:
    expected = Answer(**JSON_RESPONSE)
    result = answer(load(name), expected)
    for event in (to_object(load(name)), rebuilt(load(name), to_object, to_array)):
        app = Answer(**JSON_RESPONSE)
        assert answer(event, app) == result
        assert app.scope["aws.event"] is event
        assert (app.body, app.scope | {"aws.event": None}) == (expected.body, expected.scope | {"aws.event": None})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_mapping_is_answered_on_every_way() -> None:
    event: Any = DataClass(load("function_url"))
    async with Bridge(Answer(content=b"ok"), lifespan="off") as handler:
        assert (await handler.handle(event, CONTEXT))["body"] == "ok"
        async with handler.stream(event, CONTEXT) as response:
            assert b"".join([part async for part in response.body]) == b"ok"


@every_case(
    ("event", "says"),
    [
        ({"methodArn": "arn"}, "authorizer"),
        ({"requestContext": UserDict(connectionId="1")}, "WebSocket"),
        ({"Records": (UserDict(cf=UserDict(response={})),)}, "response event"),
        ({"a": 1}, "the keys 'a'"),
    ],
)
def test_a_mapping_that_is_not_http_is_described_like_a_dict(event: dict[str, Any], says: str) -> None:
    for mapping in (event, DataClass(event)):
        with pytest.raises(UnsupportedEvent, match=says):
            select_source(mapping)  # type: ignore[arg-type]
