"""Events with any faults, in process: each gets its own answer, a 400, or UnsupportedEvent, buffered and streamed."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Bridge, Settings
from bridge.errors import EventFailed, UnsupportedEvent
from bridge.sources import find_source
from bridge.testing.messages import ClientResponse, values_of
from tests.fuzz.budget import cases
from tests.fuzz.checks import MARKER, Echo, check_result, check_scope, comparable, echo_of, streamed
from tests.fuzz.log import PlainLog
from tests.fuzz.mutations import SOURCES, Event, Mutated, mark, mutated

# 413 is for a body that CloudFront cut, 501 for CONNECT.
REFUSALS = {400, 413, 501}

# Each setting that changes what is read from an event.
SETTINGS: list[dict[str, Any]] = [
    {},
    {"base_path": "/orders", "authorization_source": "x-auth"},
    {"root_path": "/v1", "stage": "strip", "trust_forwarded_host": True},
    {"root_path": "/orders", "text_media_types": ("application/*",)},
]

numbers = count()


class Served:
    """A handler in front of an echo."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.app = Echo()
        self.handler = Bridge(self.app, lifespan="off", settings=Settings(**options))

    async def answer(self, event: Event, marker: str) -> ClientResponse | None:
        """Return the client's response, None if no source knows the event. Buffered and streamed must agree."""
        self.app.reset()
        if find_source(event) is None:  # it may pass as an event that is not a request, and the echo is not JSON
            with suppress(UnsupportedEvent, EventFailed):
                await self.handler.handle(event, None)
            with pytest.raises(UnsupportedEvent):
                await streamed(self.handler, event)
            return None
        result = await self.handler.handle(event, None)
        scope = self.app.scope
        if scope is None:
            response = check_result(result)
            assert response.status in REFUSALS
        else:
            check_scope(scope, self.app.body)
            response = check_result(result)
            assert response.status == 200
            assert response.body == (b"" if scope["method"] == "HEAD" else echo_of(self.app.body))
            sent = [value for name, value in scope["headers"] if name == MARKER.encode()]
            assert [value.encode() for value in values_of(response.headers, MARKER)] == sent
            assert sent in ([], [marker.encode()])
        head, body = await streamed(self.handler, event)
        assert comparable(replace(check_result(head), body=body)) == comparable(response)
        return response


@pytest.fixture(scope="module")
def served() -> Iterator[list[Served]]:
    made = [Served(options) for options in SETTINGS]
    with ExitStack() as stack:
        for each in made:
            stack.enter_context(closing(each.handler))
        yield made


@pytest.mark.parametrize("source", SOURCES)
def test_an_event_with_any_faults_gets_an_answer_or_is_unsupported(
    source: str, served: list[Served], runner: asyncio.Runner, log: PlainLog
) -> None:
    @cases(110)
    @given(case=mutated(source), options=st.integers(0, len(SETTINGS) - 1))
    def check(case: Mutated, options: int) -> None:
        event, marker = case.event(), f"m{next(numbers)}"
        mark(event, MARKER, marker)
        runner.run(served[options].answer(event, marker))
        assert [record.exc_info for record in log.take() if record.exc_info] == []

    check()
