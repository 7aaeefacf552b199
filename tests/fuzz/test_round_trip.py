"""What a client sent arrives at the application, through every service, in process and over a socket."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given

from bridge import Bridge, Settings
from bridge.testing.messages import ClientRequest
from tests.fuzz.budget import cases
from tests.fuzz.checks import Echo, check_result, check_scope, comparable, echo_of, streamed
from tests.fuzz.log import PlainLog
from tests.fuzz.requests import client_requests, expected_headers, expected_query, keeps_path, query_of, received
from tests.integration.services import SERVICES, Service

APP = Echo()


@pytest.fixture(scope="module")
def handler() -> Iterator[Bridge]:
    with closing(Bridge(APP, lifespan="off", settings=Settings())) as handler:
        yield handler


@pytest.mark.parametrize("service", SERVICES, ids=[service.id for service in SERVICES])
def test_a_valid_request_arrives_at_the_application_as_it_was_sent(
    service: Service, handler: Bridge, runner: asyncio.Runner, log: PlainLog
) -> None:
    @cases(30)
    @given(request=client_requests())
    def check(request: ClientRequest) -> None:
        request = replace(request, target=service.stage + request.target)
        event = service.event(request)
        APP.reset()
        result = runner.run(handler.handle(event, None))
        assert_arrived(service, request)
        response = check_result(result)
        assert (response.status, response.body) == (200, b"" if request.method == "HEAD" else echo_of(request.body))
        head, body = runner.run(streamed(handler, event))
        assert comparable(replace(check_result(head), body=body)) == comparable(response)
        assert log.take() == []

    check()


def assert_arrived(service: Service, request: ClientRequest) -> None:
    scope = APP.scope
    assert scope is not None, "the application was not called"
    check_scope(scope, APP.body)
    assert (scope["method"], scope["path"], scope["root_path"]) == (
        request.method,
        unquote(request.path),
        service.stage,
    )
    if keeps_path(service):
        assert scope["raw_path"].decode("ascii") == request.path
    assert query_of(scope["query_string"].decode("ascii")) == expected_query(service, request)
    assert received(scope) == expected_headers(service, request)
    assert APP.body == request.body
    assert scope["client"] == (request.client[0], 0)
