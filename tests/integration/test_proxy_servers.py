"""Proxy in front of each web server: the server gets the client's request, and the client the server's answer."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import Bridge, Proxy, Settings
from bridge.testing.messages import ClientResponse
from tests.events import BASES, load
from tests.integration.origin_site import COOKIES, LARGE, MOST, PARTS, asgi
from tests.integration.servers import SERVERS, WebServer, ask, event_for, running

# The JSON of the context headers has its own tests.
CONTEXT = {"x-amzn-request-context", "x-amzn-lambda-context"}


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.id)
def server(request: pytest.FixtureRequest) -> WebServer:
    found: WebServer = request.param
    return found


@pytest.fixture(scope="module")
def proxied(server: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, str]]:
    with running(server, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def handler(proxied: tuple[Proxy, str]) -> Proxy:
    """Return the handler that started the server, on its own event loop."""
    return proxied[0]


def report(response: ClientResponse) -> dict[str, Any]:
    assert response.status == 200, response
    found: dict[str, Any] = json.loads(response.body)
    return found


TARGETS = [
    "/",
    "/caf%C3%A9%2Fcr%c3%a8me;v=1/a%20b+c",
    "/search?tag=a&tag=b&q=x+y%26z&empty=",
    "//double//slashes/",
    "/dots/./and/..%2f",
    "/~user/(1)!*'@:,$",
]


def test_method_and_request_target_reach_the_server_byte_for_byte(handler: Proxy) -> None:
    for method, target in zip(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), TARGETS, strict=True):
        found = report(ask(handler, method, target, body=b"{}"))
        assert (found["method"], found["target"]) == (method, target)


def test_the_server_sees_the_end_to_end_headers_and_the_truth(handler: Proxy) -> None:
    """A client's hop-by-hop headers, and its copies of what only the front end and Proxy set, do not arrive."""
    forged = [
        (spelling, "forged")
        for name in ("X-Amzn-Request-Context", "X-Amzn-Lambda-Context", "X-Amz-Tenant-Id", "X-Forwarded-Prefix")
        for spelling in (name, name.replace("-", "_"), name.lower())
    ]
    response = ask(
        handler,
        "POST",
        "/",
        ("Accept", "text/html"),
        ("Accept", "text/plain"),
        ("X-Color", "blue, green;q=0.5"),
        ("X-Empty", ""),
        ("X-Forwarded-For", "10.0.0.1, 10.0.0.2"),
        ("X_Forwarded_For", "10.0.0.3"),
        ("X_Forwarded_Proto", "http"),
        ("Connection", "close, X-Nominated, X-Forwarded-For, X-Amz-Tenant-Id, Content-Length"),
        ("X-Nominated", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic bm86"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer_Encoding", "chunked"),
        ("Content-Length", "1000"),
        ("Content_Length", "1"),
        *forged,
        body=b"four",
        context=SimpleNamespace(tenant_id="blue"),
    )

    found = report(response)
    headers = found["headers"]
    assert {name: value for name, value in headers.items() if name not in CONTEXT} == {
        "host": "shop.example",
        "accept": "text/html,text/plain",
        "content-length": "4",
        "x-color": "blue, green;q=0.5",
        "x-empty": "",
        "x-amz-tenant-id": "blue",
        "x-nominated": "1",  # the connection that Connection was about ended at AWS
        "x-forwarded-for": "10.0.0.1, 10.0.0.2, 127.0.0.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    assert {name: json.loads(headers[name]).get("tenant_id") for name in CONTEXT} == {
        "x-amzn-request-context": None,
        "x-amzn-lambda-context": "blue",
    }
    assert found["body"] == "four"


def test_cookies_come_and_go(handler: Proxy) -> None:
    assert report(ask(handler, "GET", "/", ("Cookie", "a=1; b=2")))["headers"]["cookie"] == "a=1; b=2"
    assert ask(handler, "GET", "/cookies") == ClientResponse(
        # The load balancer reverses them.
        200,
        (("set-cookie", COOKIES[1]), ("set-cookie", COOKIES[0]), ("content-length", "0")),
        b"",
    )


def test_body_comes_back_as_it_was_sent(handler: Proxy) -> None:
    for body, content_type in (
        (b"", "text/plain"),
        (bytes(range(256)), "application/octet-stream"),
        ("café, 漢字, 🐎\0\r\n".encode(), "text/plain; charset=utf-8"),
        (LARGE[:MOST], "application/octet-stream"),
    ):
        response = ask(handler, "POST", "/echo", ("Content-Type", content_type), body=body)

        assert (response.status, sorted(response.headers), response.body == body) == (
            200,
            [("content-length", str(len(body))), ("content-type", content_type)],
            True,
        )


def test_response_in_chunks_is_put_together(handler: Proxy) -> None:
    body = b"".join(PARTS)

    assert ask(handler, "GET", "/parts") == ClientResponse(
        200, (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))), body
    )


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_responses_are_streamed_as_they_come(proxied: tuple[Proxy, str], server: WebServer) -> None:
    async with Proxy(url=proxied[1]) as handler:
        async with handler.stream(event_for("GET", "/large"), None) as response:
            parts = [part async for part in response.body]
        assert (b"".join(parts) == LARGE, len(parts) > 1) == (True, True)

        if not server.is_concurrent:
            return  # it answers one request at a time, and a second one has to open the gate
        async with handler.stream(event_for("GET", "/gate"), None) as response:
            body = aiter(response.body)
            first = await anext(body)
            # The server sends no more until this is answered: what came before was not held back.
            await handler.handle(event_for("POST", "/gate"), None)
            rest = b"".join([part async for part in body])
        assert (response.prelude["statusCode"], first, rest) == (200, b"closed\n", b"open\n")


def test_head_is_answered_without_a_body_and_with_its_length(handler: Proxy) -> None:
    assert ask(handler, "HEAD", "/missing") == ClientResponse(
        404, (("content-type", "text/plain"), ("content-length", "22")), b""
    )
    assert ask(handler, "GET", "/missing").body == b"There is no such page."


def test_status_of_the_server_is_the_client_s(handler: Proxy) -> None:
    for status in (204, 304):
        for _ in range(2):  # The second one finds the connection in order.
            assert ask(handler, "GET", f"/status/{status}") == ClientResponse(status, (("etag", '"1"'),), b"")
    for status in (400, 503):
        response = ask(handler, "GET", f"/status/{status}")
        assert (response.status, dict(response.headers)["etag"], response.body) == (status, '"1"', b"")


@pytest.fixture(scope="module")
def in_process() -> Iterator[Bridge]:
    """Yield the same site without a socket. A web server has no root_path: a stage is not a part of its paths."""
    bridge = Bridge(asgi, lifespan="off", settings=Settings(stage="strip"))
    yield bridge
    bridge.close()


def test_event_of_every_source_reaches_the_server_as_it_reaches_an_application_in_process(
    handler: Proxy, in_process: Bridge
) -> None:
    for name in BASES:
        through_proxy, beside = handler(load(name), None), in_process(load(name), None)

        seen, expected = json.loads(through_proxy["body"]), json.loads(beside["body"])
        prefix = seen["headers"].pop("x-forwarded-prefix", None)
        for found in (seen, expected):
            for context in [*CONTEXT, "x-amzn-trace-id"]:
                found["headers"].pop(context, None)
        assert (seen, prefix) == (expected, "/prod" if name == "rest_api" else None), name
