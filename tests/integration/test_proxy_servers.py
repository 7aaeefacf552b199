"""Each web server behind Proxy: what it gets is what the client sent, and what it answers is what the client gets."""

import hashlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from bridge import Bridge, Proxy, Settings
from tests.events import BASES, load
from tests.integration.exchange import ClientResponse
from tests.integration.origin_site import COOKIES, LARGE, PARTS, asgi
from tests.integration.servers import SERVERS, WebServer, ask, event_for, result_of, running

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
    """The handler that started the server, on its own event loop."""
    return proxied[0]


@pytest.fixture
def url(proxied: tuple[Proxy, str]) -> str:
    """Where the server listens, for a second handler."""
    return proxied[1]


def report(response: ClientResponse) -> dict[str, Any]:
    assert response.status == 200, response
    found: dict[str, Any] = json.loads(response.body)
    return found


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_reaches_the_server(handler: Proxy, method: str) -> None:
    assert report(ask(handler, method, "/", body=b"{}"))["method"] == method


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/caf%C3%A9%2Fcr%c3%a8me;v=1/a%20b+c",
        "/search?tag=a&tag=b&q=x+y%26z&empty=",
        "//double//slashes/",
        "/dots/./and/..%2f",
        "/~user/(1)!*'@:,$",
    ],
)
def test_request_target_reaches_the_server_byte_for_byte(handler: Proxy, target: str) -> None:
    assert report(ask(handler, "GET", target))["target"] == target


def test_end_to_end_headers_reach_the_server_and_those_of_the_connection_do_not(handler: Proxy) -> None:
    response = ask(
        handler,
        "GET",
        "/",
        ("Accept", "text/html"),
        ("Accept", "text/plain"),
        ("X-Color", "blue, green;q=0.5"),
        ("X-Empty", ""),
        ("Connection", "close, X-Nominated"),
        ("X-Nominated", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic bm86"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
    )

    headers = report(response)["headers"]
    assert {name: value for name, value in headers.items() if name not in CONTEXT} == {
        "host": "shop.example",
        "accept": "text/html,text/plain",
        "x-color": "blue, green;q=0.5",
        "x-empty": "",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }


def test_context_headers_are_the_invocation_s_and_never_the_client_s(handler: Proxy) -> None:
    forged = ("X-Amzn-Request-Context", "X-Amzn-Lambda-Context", "X-Amzn-Trace-Id", "X-Amz-Tenant-Id")
    event = event_for("GET", "/", *((name, "forged") for name in forged))

    headers = report(result_of(handler(event, SimpleNamespace(aws_request_id="1")), "GET"))["headers"]

    assert json.loads(headers["x-amzn-request-context"]) == event["requestContext"]
    assert "forged" not in str(headers)
    assert set(headers) >= CONTEXT


def test_cookies_come_and_go(handler: Proxy) -> None:
    assert report(ask(handler, "GET", "/", ("Cookie", "a=1; b=2")))["headers"]["cookie"] == "a=1; b=2"
    assert ask(handler, "GET", "/cookies") == ClientResponse(
        200, (("set-cookie", COOKIES[0]), ("set-cookie", COOKIES[1]), ("content-length", "0")), b""
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"", "text/plain", id="empty"),
        pytest.param(bytes(range(256)), "application/octet-stream", id="binary"),
        pytest.param("café, 漢字, 🐎\0\r\n".encode(), "text/plain; charset=utf-8", id="utf-8"),
        pytest.param(LARGE, "application/octet-stream", id="6 MB"),
    ],
)
def test_body_comes_back_as_it_was_sent(handler: Proxy, body: bytes, content_type: str) -> None:
    response = ask(handler, "POST", "/echo", ("Content-Type", content_type), body=body)

    assert (response.status, sorted(response.headers), response.body == body) == (
        200,
        [("content-length", str(len(body))), ("content-type", content_type)],
        True,
    )


def test_large_body_of_a_request_is_read_whole(handler: Proxy) -> None:
    seen = report(ask(handler, "PUT", "/", body=LARGE))

    assert (seen["length"], seen["digest"]) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())


def test_large_response_arrives_whole(handler: Proxy) -> None:
    response = ask(handler, "GET", "/large")

    assert (response.status, response.body == LARGE) == (200, True)


def test_response_in_chunks_is_put_together(handler: Proxy) -> None:
    body = b"".join(PARTS)

    assert ask(handler, "GET", "/parts") == ClientResponse(
        200, (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))), body
    )


@pytest.mark.anyio
async def test_response_is_streamed_while_the_server_sends_it(url: str, server: WebServer) -> None:
    if not server.is_concurrent:
        pytest.skip("It answers one request at a time, and a second one has to open the gate.")
    async with Proxy(url=url) as handler, handler.stream(event_for("GET", "/gate"), None) as response:
        parts = aiter(response.body)
        first = await anext(parts)
        # The server sends no more until this is answered: what came before was not held back.
        await handler.handle(event_for("POST", "/gate"), None)
        rest = [part async for part in parts]

    assert (response.prelude["statusCode"], first, b"".join(rest)) == (200, b"closed\n", b"open\n")


@pytest.mark.anyio
async def test_large_response_is_streamed_whole(url: str) -> None:
    async with Proxy(url=url) as handler, handler.stream(event_for("GET", "/large"), None) as response:
        parts = [part async for part in response.body]

    assert (b"".join(parts) == LARGE, len(parts) > 1) == (True, True)


def test_head_is_answered_without_a_body_and_with_its_length(handler: Proxy) -> None:
    assert ask(handler, "HEAD", "/missing") == ClientResponse(
        404, (("content-type", "text/plain"), ("content-length", "22")), b""
    )
    assert ask(handler, "GET", "/missing").body == b"There is no such page."


@pytest.mark.parametrize("status", [204, 304])
def test_response_without_a_body_has_none(handler: Proxy, status: int) -> None:
    for _ in range(2):  # The second one finds the connection in order.
        assert ask(handler, "GET", f"/status/{status}") == ClientResponse(status, (("etag", '"1"'),), b"")


@pytest.mark.parametrize("status", [400, 418, 500, 503])
def test_error_of_the_server_is_the_client_s_answer(handler: Proxy, status: int) -> None:
    response = ask(handler, "GET", f"/status/{status}")

    assert (response.status, dict(response.headers)["etag"], response.body) == (status, '"1"', b"")


@pytest.mark.anyio
async def test_requests_at_the_same_time_stay_apart(url: str) -> None:
    bodies = [f"{number:03}".encode() * (1 + 331 * (number % 40)) for number in range(200)]
    answers: dict[int, ClientResponse] = {}

    async def post(handler: Proxy, number: int) -> None:
        event = event_for("POST", "/echo", ("Content-Type", f"text/x-{number}"), body=bodies[number])
        answers[number] = result_of(await handler.handle(event, None), "POST")

    async with Proxy(url=url) as handler, anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(post, handler, number)

    got = {number: (answer.status, dict(answer.headers), answer.body) for number, answer in answers.items()}
    assert got == {
        number: (200, {"content-type": f"text/x-{number}", "content-length": str(len(body))}, body)
        for number, body in enumerate(bodies)
    }


@pytest.fixture(scope="module")
def in_process() -> Iterator[Bridge]:
    """The same site without a socket. A web server has no root_path: a stage is no part of its paths."""
    bridge = Bridge(asgi, lifespan="off", settings=Settings(stage="strip"))
    yield bridge
    bridge.close()


@pytest.mark.parametrize("name", BASES)
def test_event_of_every_source_reaches_the_server_as_it_reaches_an_application_in_process(
    handler: Proxy, in_process: Bridge, name: str
) -> None:
    behind_proxy, beside = handler(load(name), None), in_process(load(name), None)

    seen, expected = json.loads(behind_proxy["body"]), json.loads(beside["body"])
    prefix = seen["headers"].pop("x-forwarded-prefix", None)
    for found in (seen, expected):
        del found["connection"], found["pid"]
        for context in [*CONTEXT, "x-amzn-trace-id"]:
            found["headers"].pop(context, None)
    assert (seen, prefix) == (expected, "/prod" if name == "rest_api" else None)
