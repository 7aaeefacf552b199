"""A request arrives behind LambdaTransport as it does behind uvicorn, except for what the event of a service loses."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import given

from bridge import Bridge, Settings
from bridge._httpx import httpx
from bridge._types import Scope
from bridge.testing import LambdaTransport
from bridge.testing.messages import ClientRequest
from tests.fuzz.budget import cases
from tests.fuzz.checks import Echo, echo_of
from tests.fuzz.log import PlainLog
from tests.fuzz.requests import client_requests, expected_headers, expected_query, keeps_path, query_of, received
from tests.integration.servers import BackgroundServer
from tests.integration.services import SERVICES, Service
from tests.integration.wire import exchange

DIRECT, BEHIND = Echo(), Echo()

# Each service once: the stage is a set-up of the tests' own, and so is the custom domain.
PLAIN = [service for service in SERVICES if not service.stage]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with BackgroundServer(DIRECT) as server:
        yield server.port


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as stack:
        handler = stack.enter_context(closing(Bridge(BEHIND, lifespan="off", settings=Settings())))
        yield {
            service.id: stack.enter_context(httpx.Client(transport=LambdaTransport(handler, service.source)))
            for service in PLAIN
        }


@pytest.mark.parametrize("service", PLAIN, ids=[service.id for service in PLAIN])
def test_a_request_arrives_as_it_does_behind_a_web_server(
    service: Service, clients: dict[str, httpx.Client], port: int, log: PlainLog
) -> None:
    @cases(25)
    @given(request=client_requests())
    def check(request: ClientRequest) -> None:
        DIRECT.reset()
        BEHIND.reset()
        direct = exchange(port, request)
        response = clients[service.id].send(to_httpx(request))
        body = b"" if request.method == "HEAD" else echo_of(request.body)
        assert (response.status_code, response.content) == (direct.status, direct.body) == (200, body)
        assert "bridge.reason" not in response.extensions
        assert BEHIND.body == DIRECT.body == request.body
        assert seen(service, BEHIND.scope) == seen(service, DIRECT.scope)
        assert BEHIND.scope is not None
        assert query_of(BEHIND.scope["query_string"].decode("ascii")) == expected_query(service, request)
        assert without_trace(received(BEHIND.scope)) == without_trace(expected_headers(service, request))
        assert log.take() == []

    check()


def to_httpx(request: ClientRequest) -> httpx.Request:
    """Return the same request for an httpx client, which spells neither its target nor its headers."""
    target = {"target": request.target.encode()}
    made = httpx.Request(request.method, "https://app.example.com/", content=request.body, extensions=target)
    made.headers = httpx.Headers([(name.encode(), value.encode("latin-1")) for name, value in request.headers])
    return made


def seen(service: Service, scope: Scope | None) -> dict[str, Any]:
    """Return what has to be equal: the path's spelling only where the event has it."""
    assert scope is not None
    names = ["method", "path", "root_path", "http_version", *(["raw_path"] if keeps_path(service) else [])]
    return {name: scope[name] for name in names}


def without_trace(headers: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Return `headers` without the one that is another in each request."""
    return {name: values for name, values in headers.items() if name != "x-amzn-trace-id"}
