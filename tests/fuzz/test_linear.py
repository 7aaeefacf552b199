"""The cost of an event and of a response grows as their sizes do, whatever a client puts into them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._types import Message, Receive, Scope, Send
from tests.events import BASES, load

# Eight times the size may cost three times eight times as much: a busy machine and caches of the CPU need that. With a
# cost that grows with the square it is 64 times as much.
SMALL, TIMES, MARGIN = 400, 8, 3

MAPS = {"headers", "multiValueHeaders", "queryStringParameters", "query_string_parameters", "pathParameters"}
MAPS |= {"multiValueQueryStringParameters"}
PATHS = {"path", "rawPath", "raw_path", "uri", "resource"}
QUERIES = {"rawQueryString", "querystring"}


class Sending:
    """An application that sends the given messages."""

    messages: tuple[Message, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.messages:
            await send(dict(message))


@pytest.fixture(scope="module")
def app() -> Sending:
    return Sending()


@pytest.fixture(scope="module")
def handler(app: Sending) -> Iterator[Bridge]:
    with closing(Bridge(app, lifespan="off", settings=Settings())) as handler:
        yield handler


async def cost(handler: Bridge, event: dict[str, Any]) -> float:
    """Return the CPU seconds of an invocation, buffered and streamed: the least of three."""
    least = float("inf")
    for _ in range(3):
        start = time.process_time()
        result = await handler.handle(event, None)
        async with handler.stream(event, None) as response:
            async for _part in response.body:
                pass
        least = min(least, time.process_time() - start)
        assert (result.get("statusCode"), result.get("status")) in [(200, None), (None, "200")]
    return least


def grown(value: Any, size: int, key: str = "") -> Any:
    """Return an event with everything that a client decides `size` times as long or as many."""
    if key in MAPS and isinstance(value, dict):
        return value | _entries(next(iter(value.values())), size)
    if isinstance(value, dict):
        return {name: grown(item, size, name) for name, item in value.items()}
    if isinstance(value, list):
        return value * size if key == "cookies" else [grown(item, size) for item in value]
    if isinstance(value, str) and key in PATHS:
        return value + "/%C3%A9{a}//.." * size
    return value + "&a=%20+" * size if isinstance(value, str) and key in QUERIES else value


def _entries(like: Any, size: int) -> dict[str, Any]:
    """Return new entries of a map: many, a long one, and one with many values where there can be more than one."""

    def entry(*texts: str) -> Any:
        if isinstance(like, str):
            return ",".join(texts)
        return list(texts) if isinstance(like[0], str) else [{"value": text} for text in texts]

    new = {f"x-{number}": entry(f"{{x-{number}}}") for number in range(size)}
    return new | {"cookie": entry(*["a=1"] * size), "accept": entry("é, " * size), "x_many": entry(*["v"] * size)}


def assert_linear(small: float, large: float) -> None:
    assert large < MARGIN * TIMES * small, f"{TIMES} times the size costs {large / small:.0f} times as much"


@pytest.mark.parametrize("base", BASES)
def test_an_event_costs_as_much_as_it_is_long(base: str, app: Sending, handler: Bridge, runner: asyncio.Runner) -> None:
    app.messages = ({"type": "http.response.start", "status": 200}, {"type": "http.response.body"})
    small, large = (runner.run(cost(handler, grown(load(base), size))) for size in (SMALL, TIMES * SMALL))
    assert_linear(small, large)


@pytest.mark.parametrize("base", [base for base in BASES if base != "lambda_edge"])  # whose results must be small
def test_a_response_costs_as_much_as_it_is_long(
    base: str, app: Sending, handler: Bridge, runner: asyncio.Runner
) -> None:
    costs = []
    for size in (SMALL, TIMES * SMALL):
        headers = [(b"x-%d" % number, b"v") for number in range(size)]
        headers += [(name, b"a=1") for name in (b"vary", b"Set-Cookie", b"connection") for _ in range(size)]
        part = {"type": "http.response.body", "body": b"\xe9", "more_body": True}
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        app.messages = (start, *[part] * size, {"type": "http.response.body"})
        costs.append(runner.run(cost(handler, load(base))))
    assert_linear(*costs)
