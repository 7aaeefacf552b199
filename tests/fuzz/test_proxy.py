"""The same events over a socket: each gets the response to its own request, whatever the others had in them."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Proxy, Settings
from bridge._httpx import httpx
from bridge._messages import header_pairs
from bridge.errors import EventFailed, MalformedEvent, UnsupportedEvent
from bridge.sources import select_source
from bridge.testing.messages import ClientRequest, ClientResponse, values_of
from tests.fuzz.budget import cases
from tests.fuzz.checks import MARKER, Echo, check_result, comparable, echo_of, streamed
from tests.fuzz.log import PlainLog
from tests.fuzz.mutations import SOURCES, Event, Mutated, mark, mutated
from tests.fuzz.requests import client_requests, expected_headers, expected_query, keeps_path, query_of, received
from tests.integration.servers import BackgroundServer
from tests.integration.services import SERVICES, Service

# 413 is for a body that CloudFront cut, 501 for CONNECT. A head that is too long for the server is a 400 of its own.
REFUSALS = {400, 413, 501}

# Seconds for one batch: only a hang gets that far.
LIMIT = 60

numbers = count()


APP = Echo()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with (
        BackgroundServer(APP, h11_max_incomplete_event_size=2**20) as server,
        closing(Proxy(url=f"http://127.0.0.1:{server.port}", settings=Settings())) as proxy,
    ):
        yield proxy


def request_of(event: Event) -> httpx.Request | None:
    """Return the request that has to reach the server, or None for an event that must not reach it."""
    try:
        return select_source(event).decode(event, Settings())
    except (MalformedEvent, RecursionError, TypeError, ValueError, AttributeError, LookupError):
        return None


async def answer(proxy: Proxy, event: Event, marker: str) -> None:
    try:
        request = request_of(event)
    except UnsupportedEvent:
        with suppress(UnsupportedEvent, EventFailed):  # it may pass as an event that is not a request
            await proxy.handle(event, None)
        return
    response = check_result(await proxy.handle(event, None))
    assert_own(response, request, marker)
    head, body = await streamed(proxy, event)
    stream = replace(check_result(head), body=body)
    assert_own(stream, request, marker)
    assert comparable(stream) == comparable(response)


def assert_own(response: ClientResponse, request: httpx.Request | None, marker: str) -> None:
    """Assert that this is the response to this request, or a refusal."""
    if response.status != 200:
        assert response.status in REFUSALS
        return
    assert request is not None
    assert response.body == (b"" if request.method == "HEAD" else echo_of(request.content))
    sent = [value for name, value in header_pairs(request) if name == MARKER.encode()]
    assert [value.encode() for value in values_of(response.headers, MARKER)] == sent
    assert sent in ([], [marker.encode()])


async def answer_together(proxy: Proxy, together: list[Mutated]) -> None:
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
        for case in together:
            event, marker = case.event(), f"m{next(numbers)}"
            mark(event, MARKER, marker)
            tasks.create_task(answer(proxy, event, marker))


@cases(40)
@given(together=st.lists(st.sampled_from(SOURCES).flatmap(mutated), min_size=1, max_size=4))
def test_events_with_any_faults_get_their_own_responses_from_a_web_server(
    together: list[Mutated], proxy: Proxy, runner: asyncio.Runner, log: PlainLog
) -> None:
    runner.run(answer_together(proxy, together))
    assert [record.exc_info for record in log.take() if record.exc_info] == []


# Without those that bridge tells a web server in another way than an application: the stage, and its own headers.
PLAIN_SERVICES = [service for service in SERVICES if not service.stage]
OF_BRIDGE = {"x-amzn-request-context", "x-amzn-lambda-context", "x-amzn-trace-id"}


@cases(60)
@given(request=client_requests(), service=st.sampled_from(PLAIN_SERVICES))
def test_a_valid_request_arrives_at_a_web_server_as_it_was_sent(
    request: ClientRequest, service: Service, proxy: Proxy, runner: asyncio.Runner
) -> None:
    APP.reset()
    response = check_result(runner.run(proxy.handle(service.event(request), None)))
    assert (response.status, response.body) == (200, b"" if request.method == "HEAD" else echo_of(request.body))
    scope = APP.scope
    assert scope is not None
    assert (scope["method"], scope["path"], APP.body) == (request.method, unquote(request.path), request.body)
    if keeps_path(service):
        assert scope["raw_path"].decode("ascii") == request.path
    assert query_of(scope["query_string"].decode("ascii")) == expected_query(service, request)
    assert without(OF_BRIDGE, received(scope)) == without(OF_BRIDGE, expected_headers(service, request))


def without(names: set[str], headers: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    return {name: values for name, values in headers.items() if name not in names}
