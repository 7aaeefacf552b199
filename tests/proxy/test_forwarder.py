"""Failures of the web server: the answer to the client, and the log line that says whose fault it is."""

import asyncio
import errno
import json
import os
import signal
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest

from bridge import Proxy, Settings
from bridge._httpx import httpx
from bridge._messages import EventRequest, header_pairs
from bridge.errors import ErrorStatus, OriginBroken, OriginLost
from bridge.proxy.forwarder import Forwarder, for_web_server
from bridge.proxy.settings import OriginSettings
from tests.cases import every_case
from tests.logged import assert_logged
from tests.proxy.programs import MakeEvent, Programs, Proxies, Serve, answered

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


BAD_GATEWAY = {
    "statusCode": 502,
    "headers": {"content-type": "text/plain; charset=utf-8", "content-length": "11"},
    "cookies": [],
    "body": "Bad Gateway",
    "isBase64Encoded": False,
}


def test_a_broken_answer_is_a_502_and_the_log_says_whose_fault_and_why(
    serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    program, handler = serve()
    for path, reason in (
        ("/drop", "Server disconnected without sending a response."),
        ("/garbage", "no status line of HTTP/1.1"),
        ("/short", "received 4 bytes, expected 10"),
        ("/broken", "incomplete chunked read"),
    ):
        caplog.clear()
        assert handler(make_event("POST", path), None) == BAD_GATEWAY
        assert_logged(caplog, ("ERROR", f"POST {path}: ", program.url, reason))
    assert handler(make_event(), None)["statusCode"] == 200


def test_a_refused_connection_is_a_502(
    programs: Programs, make_event: MakeEvent, proxies: Proxies, caplog: pytest.LogCaptureFixture
) -> None:
    program = programs()
    its_owner, handler = proxies(program), Proxy(url=program.url)
    its_owner(make_event(), None)
    assert handler(make_event(), None)["statusCode"] == 200
    its_owner.close()
    assert handler(make_event("POST", "/late", rawQueryString="secret=1"), None) == BAD_GATEWAY
    assert_logged(caplog, ("ERROR", "POST /late: ", program.url, f"[Errno {errno.ECONNREFUSED}]"))
    assert "secret" not in caplog.text
    handler.close()


def test_a_request_that_may_not_be_sent_is_a_400_and_the_clients_fault(
    serve: Serve, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.proxy.server.EXIT_NOTICE", 3600)  # the server's end is not waited for
    program, handler = serve()
    for headers in ({"host": "a", "x-a": "b\r\nx-injected: c"}, {"host": "a", "x a": "b"}):
        caplog.clear()
        assert handler(make_event(headers=headers), None)["statusCode"] == 400
        assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert program.targets == ["GET /health"]


def test_the_first_end_in_a_request_is_a_502_and_the_next_request_waits_for_the_next_server(
    serve: Serve, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.proxy.readiness.PROGRESS_INTERVAL", 3600)  # a busy machine starts it slowly
    program, handler = serve(again={"unhealthy": 3})
    assert handler(make_event("POST", "/exit/7"), None) == BAD_GATEWAY
    assert answered(handler(make_event(path="/next"), None))["target"] == "/next"
    assert program.targets == ["GET /health", "POST /exit/7", *["GET /health"] * 4, "GET /next"]
    found = sorted(record.getMessage() for record in caplog.records)
    assert len(found) == 2
    assert "POST /exit/7: " in found[0]
    assert all(fact in found[1] for fact in ("started again", "status 7", "asked to exit"))


def test_a_second_end_in_a_request_ends_the_environment(
    serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    _, handler = serve()
    assert handler(make_event(path="/exit/1"), None)["statusCode"] == 502
    with pytest.raises(OriginLost) as caught:
        handler(make_event(path="/exit/2"), None)
    assert "status 2" in str(caught.value.code)
    assert "asked to exit" in str(caught.value.code)
    assert sum([message.startswith("GET /exit/2: ") for message in caplog.messages]) == 1


@pytest.mark.anyio
class TestStream:
    async def test_a_body_that_breaks_off_is_reported_as_broken(self, serve: Serve, make_event: MakeEvent) -> None:
        _, handler = serve()
        async with handler, handler.stream(make_event(path="/broken"), None) as response:
            assert await anext(response.body) == b"one"
            with pytest.raises(OriginBroken, match=r"GET /broken: .*incomplete chunked read"):
                await anext(response.body)

    async def test_one_with_a_status_that_fails_the_invocation_is_named_once(
        self, serve: Serve, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, handler = serve({"settings": Settings(error_status_codes=frozenset({200}))})
        async with handler:
            with pytest.raises(ErrorStatus):
                await handler.stream(make_event(path="/broken"), None).__aenter__()
        assert_logged(caplog, ("ERROR", "GET /broken: ", "incomplete chunked read"))
        assert caplog.text.count("GET /broken") == 1

    async def test_a_server_that_ends_in_the_middle_breaks_the_body(self, serve: Serve, make_event: MakeEvent) -> None:
        program, handler = serve()
        async with handler:
            async with handler.stream(make_event(path="/gated"), None) as response:
                assert await anext(response.body) == b"one"
                os.kill(program.pids[0], signal.SIGKILL)
                with pytest.raises(OriginBroken):
                    await anext(response.body)
            async with handler.stream(make_event(path="/gated"), None) as response:
                assert await anext(response.body) == b"one"
                os.kill(program.pids[1], signal.SIGKILL)
                with pytest.raises(OriginLost):
                    await anext(response.body)


def test_the_web_server_sees_the_truth_whatever_a_client_sends(
    proxies: Proxies, programs: Programs, make_event: MakeEvent
) -> None:
    """Not its hop-by-hop headers, framing and context headers; and all that the front end adds."""
    ours = ["x-amzn-request-context", "x-amzn-lambda-context", "x-amz-tenant-id", "x-amzn-trace-id"]
    front_end = {
        "x-forwarded-for": "10.0.0.1, 203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "x-amzn-oidc-data": "SIGNED",
    }
    clients = {
        "host": "app.test",
        "connection": ", ".join(["close", *ours, *front_end, "x-own", "host", "content-length"]),
        "keep-alive": "1",
        "te": "trailers",
        "upgrade": "h2c",
        "transfer-encoding": "chunked",
        "content-length": "999",
        "Content_Length": "5",
        "Transfer_Encoding": "chunked",
        "x-own": "1",
        "x-forwarded-prefix": "/forged",
    }
    for name in [*ours, "x-forwarded-prefix"]:
        clients |= dict.fromkeys((name, name.title(), name.replace("-", "_"), name.replace("-", ".")), "forged")
    for name in front_end:
        clients |= dict.fromkeys((name.replace("-", "_"), name.replace("-", ".").upper()), "forged")
    event = make_event("POST", headers=clients | front_end, body="abc")
    found = answered(proxies(programs())(event, SimpleNamespace(tenant_id="blue")))
    headers = dict(found["headers"])
    assert len(headers) == len(found["headers"])
    context = {name: headers.pop(name) for name in ("x-amzn-request-context", "x-amzn-lambda-context")}
    assert json.loads(context["x-amzn-request-context"]) == event["requestContext"]
    assert json.loads(context["x-amzn-lambda-context"])["tenant_id"] == "blue"
    assert headers == front_end | {"host": "app.test", "x-own": "1", "content-length": "3", "x-amz-tenant-id": "blue"}
    assert found["body"] == "abc"


@every_case(
    ("target", "root_path", "expected"),
    [
        (b"/prod/x", "/prod", (b"/x", b"/prod")),
        (b"/prod/x?a=/prod/x", "/prod", (b"/x?a=/prod/x", b"/prod")),
        (b"/prod", "/prod", (b"/", b"/prod")),
        (b"/prod?a", "/prod", (b"/?a", b"/prod")),
        (b"/prod//x", "/prod", (b"//x", b"/prod")),
        (b"/a/b/x", "/a/b", (b"/x", b"/a/b")),
        # The client may spell it in another way.
        (b"/%70rod/%78", "/prod", (b"/%78", b"/prod")),
        (b"/caf%c3%a9/x", "/caf\u00e9", (b"/x", b"/caf%C3%A9")),
        # Another transport has changed the target.
        (b"/production", "/prod", (b"/production", None)),
        (b"/x", "/prod", (b"/x", None)),
        (b"/x", "/a/b", (b"/x", None)),
        (b"/x", "", (b"/x", None)),
        (b"*", "/prod", (b"*", None)),
    ],
)
def test_a_web_server_gets_the_path_without_the_root_path(
    target: bytes, root_path: str, expected: tuple[bytes, bytes | None]
) -> None:
    request = asyncio.run(for_web_server(EventRequest("GET", target, [], b"", {"root_path": root_path})))
    assert (request.extensions["target"], dict(header_pairs(request)).get(b"x-forwarded-prefix")) == expected


@pytest.mark.anyio
async def test_a_request_that_had_no_connection_is_sent_to_the_next_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first server ended before it had the request, so it cannot have acted on it."""
    forwarder = Forwarder(OriginSettings(), None, prepare=for_web_server)
    answer = AsyncMock(side_effect=[httpx.ConnectError("refused"), httpx.Response(200, content=b"ok")])
    monkeypatch.setattr(forwarder.transport, "handle_async_request", answer)
    ready = AsyncMock()  # and so it is not ready without
    monkeypatch.setattr(forwarder.origin, "ready", ready)
    response = await forwarder.handle_async_request(httpx.Request("POST", "http://app.test/"))
    assert (response.status_code, answer.await_count, ready.await_count) == (200, 2, 2)
