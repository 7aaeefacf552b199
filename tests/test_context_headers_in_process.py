"""The context headers of an application in this process: off by default, and a client's own in neither state."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge, Handler
from bridge._httpx import httpx
from bridge._messages import EventRequest, header_pairs
from bridge._types import ASGIApp, Event, Receive, Scope, Send, WSGIApp
from bridge.proxy.forwarder import for_web_server
from tests.apps import START, part, sending
from tests.cases import every_case
from tests.test_context_headers import make_context


def asgi_headers(seen: dict[str, list[str]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope["headers"]:
            seen.setdefault(name.decode(), []).append(value.decode())
        await sending(START, part(b"{}"))(scope, receive, send)

    return app


def wsgi_headers(seen: dict[str, list[str]]) -> WSGIApp:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        names = {key[5:].lower().replace("_", "-"): value for key, value in environ.items() if key.startswith("HTTP_")}
        seen.update({name: [value] for name, value in names.items()})
        start_response("200 OK", [])
        return [b"{}"]

    return app


def transport_headers(seen: dict[str, list[str]]) -> httpx.MockTransport:
    def respond(request: httpx.Request) -> httpx.Response:
        seen.update({name: request.headers.get_list(name) for name in request.headers})
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    return httpx.MockTransport(respond)


IN_PROCESS: list[Callable[..., Handler]] = [
    lambda seen, **arguments: Bridge(asgi_headers(seen), lifespan="off", **arguments),
    lambda seen, **arguments: Bridge(wsgi_headers(seen), **arguments),
    lambda seen, **arguments: Handler(transport_headers(seen), **arguments),
]
SPOOFED = {
    spelling: "victim"
    for name in ("x-amzn-request-context", "x-amzn-lambda-context", "x-amz-tenant-id")
    for spelling in (name, name.title(), name.replace("-", "_"), name.replace("-", "_", 1).upper())
}
OURS = {"x-amzn-request-context", "x-amzn-lambda-context", "x-amz-tenant-id"}


@every_case("make", IN_PROCESS)
def test_in_process_an_application_gets_them_if_it_asks_for_them_and_a_clients_own_never(
    make_event: Callable[..., Event], make: Callable[..., Handler]
) -> None:
    event = make_event(headers={"host": "app.test", **SPOOFED})
    for setting, tenant in ((None, "blue"), (False, "blue"), (True, "blue"), (True, None)):
        seen: dict[str, list[str]] = {}
        with closing(make(seen, context_headers=setting)) as handler:
            assert handler(event, make_context(tenant_id=tenant))["statusCode"] == 200
        expected = OURS - ({"x-amz-tenant-id"} if tenant is None else set()) if setting else set()
        assert {name for name in seen if name.replace("_", "-") in OURS} == expected
        if setting:
            assert json.loads(seen["x-amzn-request-context"][0]) == event["requestContext"]
            assert json.loads(seen["x-amzn-lambda-context"][0])["tenant_id"] == tenant
            assert seen.get("x-amz-tenant-id") == (None if tenant is None else [tenant])


@every_case("make", IN_PROCESS)
def test_in_process_an_event_that_is_not_a_request_has_them_too(make: Callable[..., Handler]) -> None:
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": "x"}
    for batch in ("whole", "per-record"):
        seen: dict[str, list[str]] = {}
        with closing(make(seen, context_headers=True, batch=batch)) as handler:
            handler({"Records": [record]}, make_context(tenant_id="blue"))
        assert {name for name in seen if name in OURS} == {"x-amzn-lambda-context", "x-amz-tenant-id"}


@pytest.mark.anyio
async def test_a_web_server_does_not_get_them_if_the_setting_says_so() -> None:
    pairs = [(b"host", b"a"), *((name.lower().encode(), b"victim") for name in SPOOFED)]
    scope = {"aws.event": {"requestContext": {"http": {}}}, "aws.context": make_context(tenant_id="blue")}
    for with_context, expected in ((True, {b"host", *map(str.encode, OURS)}), (False, {b"host"})):
        request = EventRequest("GET", b"/", list(pairs), b"", dict(scope))
        await for_web_server(request, with_context=with_context)
        assert {name for name, _ in header_pairs(request)} == expected
