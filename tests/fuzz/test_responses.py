"""Responses of applications that do anything: no exception, no split header, buffered and streamed alike."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Bridge, Settings
from bridge._types import Message, Receive, Scope, Send
from bridge.testing.messages import ClientResponse
from tests.events import BASES, load
from tests.fuzz.budget import cases
from tests.fuzz.checks import check_result, comparable
from tests.fuzz.log import PlainLog
from tests.fuzz.mutations import hostile_text
from tests.sources.exchange import FIELDS


class Failure(Exception):
    """What the application raises."""


class Playing:
    """An ASGI application that sends messages of any kind and order, and then returns or raises."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.raises = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.messages:
            await send(message.copy() if isinstance(message, dict) else message)
        if self.raises:
            raise Failure


_names = st.one_of(
    st.sampled_from([b"x-a", b"X-A", b"content-length", b"Content-Type", b"set-cookie", b"Set-Cookie", b"connection"]),
    st.sampled_from([b"transfer-encoding", b"content-encoding", b"", b"x a", b"x:a", b"x\r\na", b"\xff", b"date"]),
    st.binary(max_size=4),
)
_values = st.one_of(
    st.sampled_from(
        [b"", b"0", b"1", b"2, 2", b"-1", b"text/html", b"gzip", b"a=b\r\nx: y", b"a\nb", b"\0", b"\x7f", b"\t"]
    ),
    hostile_text.map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=6),
)
_bytes_pairs = st.lists(st.tuples(_names, _values), max_size=5)
_anything: st.SearchStrategy[Any] = st.sampled_from(
    [None, 5, "x", b"x", [], {}, [b"a"], [(b"a",)], [(b"a", "b")], [("a", "b")], [(b"a", 1)], 1.5]
)
_statuses = st.sampled_from(
    [200, 200, 201, 204, 304, 404, 500, 100, 101, 199, 600, 999, 0, -1, 10**9, "200", None, 200.0]
)

_plain_start = st.builds(lambda pairs: {"type": "http.response.start", "status": 200, "headers": pairs}, _bytes_pairs)
_starts = st.builds(
    lambda status, headers, more: {"type": "http.response.start", "status": status, "headers": headers} | more,
    _statuses,
    _bytes_pairs | _bytes_pairs.map(tuple) | _anything,
    st.sampled_from([{}, {}, {"trailers": True}, {"status": 200}]),
)
_parts = st.builds(
    lambda body, more: {"type": "http.response.body"} | body | more,
    st.sampled_from(
        [{"body": b"ab"}, {"body": b"\xff"}, {"body": b""}, {}, {"body": "text"}, {"body": bytearray(b"x")}]
    ),
    st.sampled_from([{}, {"more_body": False}, {"more_body": True}, {"more_body": True}, {"more_body": None}]),
)
_others: st.SearchStrategy[Any] = st.sampled_from(
    [{}, {"type": "http.response.push"}, {"type": "http.disconnect"}, {"type": None}, {"type": 5}, None, "x", []]
)
_sequences = st.one_of(
    st.tuples(_plain_start, _parts).map(list),
    st.tuples(_starts, _parts, _parts).map(list),
    st.lists(st.one_of(_starts, _parts, _parts, _others), max_size=5),
)


@pytest.fixture(scope="module")
def app() -> Playing:
    return Playing()


@pytest.fixture(scope="module")
def handler(app: Playing) -> Iterator[Bridge]:
    with closing(Bridge(app, lifespan="off", settings=Settings())) as handler:
        yield handler


async def answers(handler: Bridge, event: dict[str, Any], method: str) -> tuple[ClientResponse, ClientResponse | None]:
    """Return the buffered response, and the streamed one, or None for one that broke off after its start."""
    response = check_result(await handler.handle(event, None))
    started = False
    try:
        async with handler.stream(event, None) as stream:
            prelude = check_result({**stream.prelude, "body": "", "isBase64Encoded": False})
            started = True
            body = b"".join([part async for part in stream.body])
    except Exception:
        assert started, "the stream raised before it had a prelude"
        return response, None
    return response, replace(prelude, body=body)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_application_that_sends_anything_gets_no_exception_and_no_header_out(
    base: str, method: str, app: Playing, handler: Bridge, runner: asyncio.Runner, log: PlainLog
) -> None:
    event = load(base, **{FIELDS[base]["method"]: method})

    @cases(22)
    @given(messages=_sequences, raises=st.sampled_from([False, False, True]))
    def check(messages: list[Message], raises: bool) -> None:
        app.messages, app.raises = messages, raises
        response, stream = runner.run(answers(handler, event, method))
        log.take()
        if stream is None:  # the client has its prelude already, and the invocation fails
            assert response.status == 500
        elif base in ("lambda_edge", "vpc_lattice_v1"):  # which have no streams, and cannot carry every response
            assert response.status in (stream.status, 500)
        else:
            assert comparable(stream) == comparable(response)

    check()
