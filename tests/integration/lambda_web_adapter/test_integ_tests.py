"""Lambda Web Adapter's integration tests (its tests/integ_tests/main.rs), each by its own name, on a real web server.

https://github.com/aws/aws-lambda-web-adapter

What has no equivalent here:

| there | why not |
| --- | --- |
| test_http_compress | Proxy compresses nothing: AWS_LWA_ENABLE_COMPRESSION is a warning |
| the four tests of tests/e2e_tests | they need a deployed function; test_http_* and the emulator ask the same |
"""

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from bridge import Proxy, Settings
from bridge.errors import ErrorStatus
from bridge.proxy.server import Address, OriginSettings
from bridge.runtime.settings import RuntimeSettings
from tests.integration.exchange import ClientResponse
from tests.integration.lambda_web_adapter.conftest import MakeProxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import ask, event_for, result_of

MakeContext = Callable[..., Any]

NAMESPACED = {
    "AWS_LWA_PORT": "3000",
    "AWS_LWA_HOST": "localhost",
    "AWS_LWA_READINESS_CHECK_PORT": "8000",
    "AWS_LWA_READINESS_CHECK_PROTOCOL": "TCP",
    "AWS_LWA_READINESS_CHECK_PATH": "/healthcheck",
    "AWS_LWA_REMOVE_BASE_PATH": "/prod",
    "AWS_LWA_ASYNC_INIT": "true",
    "AWS_LWA_AUTHORIZATION_SOURCE": "auth-token",
    "AWS_LWA_ERROR_STATUS_CODES": "500,502-504",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def plain(body: bytes, *, status: int = 200) -> ClientResponse:
    return ClientResponse(status, (("content-length", str(len(body))),), body)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_adapter_options_from_env(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    set_all(monkeypatch, NAMESPACED | {"AWS_LWA_ENABLE_COMPRESSION": "true", "AWS_LWA_INVOKE_MODE": "buffered"})

    origin, settings = OriginSettings(), Settings()
    Proxy().close()

    assert (origin.address, origin.readiness_address) == (Address("localhost", 3000), Address("localhost", 8000))
    assert (origin.readiness_protocol, origin.readiness_path, origin.async_init) == ("tcp", "/healthcheck", True)
    assert (settings.base_path, settings.authorization_source) == ("/prod", "auth-token")
    assert settings.error_status_codes == {500, 502, 503, 504}
    assert RuntimeSettings().invoke_mode == "buffered"
    assert [record.getMessage() for record in caplog.records] == [
        "AWS_LWA_ENABLE_COMPRESSION is set, but has no effect here. Is it spelt correctly?"
    ]


def test_adapter_options_from_namespaced_env(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, NAMESPACED | {"AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200-399"})

    assert OriginSettings() == OriginSettings(
        host="localhost",
        port=3000,
        readiness_port=8000,
        readiness_protocol="tcp",
        readiness_path="/healthcheck",
        healthy_status=frozenset(range(200, 400)),
        async_init=True,
    )
    assert Settings() == Settings(
        base_path="/prod", authorization_source="auth-token", error_status_codes=frozenset([500, 502, 503, 504])
    )


def test_readiness_check_port_fallback_to_lwa_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LWA_PORT", "3000")

    assert OriginSettings().readiness_address == Address("127.0.0.1", 3000)


def test_port_fallback_to_port_env(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("PORT", "9090")

    assert OriginSettings().address == Address("127.0.0.1", 9090)
    assert caplog.records == []  # PORT is no deprecated name.


def test_http_readiness_check(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/healthcheck", b"OK")
    handler = proxy(readiness_protocol="http", readiness_path="/healthcheck")

    ask(handler, "GET", "/first")
    ask(handler, "GET", "/second")

    assert app.asked == [("GET", "/healthcheck"), ("GET", "/first"), ("GET", "/second")]


def test_http_basic_request(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/hello", b"Hello World")

    assert ask(proxy(), "GET", "/hello") == ClientResponse(200, (("content-length", "11"),), b"Hello World")
    assert app.asked == [("GET", "/hello")]


def test_http_headers(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/", b"OK", headers=[("fizz", "buzz")])

    response = ask(proxy(), "GET", "/", ("foo", "bar"))

    assert response == ClientResponse(200, (("fizz", "buzz"), ("content-length", "2")), b"OK")
    assert [seen.values("foo") for seen in app.seen] == [["bar"]]


def test_http_path_encoding(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/A%C3%B1o_1234", b"Ok")

    assert ask(proxy(), "GET", "/A\u00f1o_1234") == plain(b"Ok")
    assert app.asked == [("GET", "/A%C3%B1o_1234")]


def test_http_query_params(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/", b"OK")

    assert ask(proxy(), "GET", "/?foo=bar&fizz=buzz") == plain(b"OK")
    assert app.asked == [("GET", "/?foo=bar&fizz=buzz")]


def test_http_post_put_delete(proxy: MakeProxy, app: Recorder) -> None:
    methods = ("POST", "PUT", "DELETE")
    for method in methods:
        app.answer(method, "/", f"{method} Success".encode())
    handler = proxy()

    responses = [ask(handler, method, "/") for method in methods]

    assert responses == [plain(b"POST Success"), plain(b"PUT Success"), plain(b"DELETE Success")]
    assert app.asked == [("POST", "/"), ("PUT", "/"), ("DELETE", "/")]


def test_http_request_body_forwarded(proxy: MakeProxy, app: Recorder) -> None:
    document, binary = b'{"name": "test", "value": 123}', b"\x00\x01\x02\xff\xfe\x89PNG"
    app.answer("POST", "/api/json", b"JSON Created", status=201)
    app.answer("POST", "/api/empty", b"", status=204)
    app.answer("POST", "/api/binary", b"Binary OK")
    handler = proxy()

    responses = [
        ask(handler, "POST", "/api/json", ("content-type", "application/json"), body=document),
        ask(handler, "POST", "/api/empty"),
        ask(handler, "POST", "/api/binary", body=binary),
    ]

    assert [(response.status, response.body) for response in responses] == [
        (201, b"JSON Created"),
        (204, b""),
        (200, b"Binary OK"),
    ]
    assert [(seen.body, seen.values("content-type")) for seen in app.seen] == [
        (document, ["application/json"]),
        (b"", []),
        (binary, []),
    ]


def test_http_compress_disallowed_type(proxy: MakeProxy, app: Recorder) -> None:
    body = b"the body of a response that is 59 bytes long, all in all..."
    headers = (("content-type", "application/octet-stream"), ("content-length", "59"))
    app.answer("GET", "/hello", body, headers=headers[:1])

    assert ask(proxy(), "GET", "/hello", ("accept-encoding", "gzip")) == ClientResponse(200, headers, body)


def test_http_compress_already_compressed(proxy: MakeProxy, app: Recorder) -> None:
    body = gzip.compress(b"the body of a response", mtime=0)
    headers = (("content-type", "text/plain"), ("content-encoding", "gzip"), ("content-length", str(len(body))))
    app.answer("GET", "/hello", body, headers=headers[:2])

    assert ask(proxy(), "GET", "/hello", ("accept-encoding", "gzip")) == ClientResponse(200, headers, body)


def test_http_context_headers(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    event = event_for("GET", "/")
    context = make_context()

    proxy()(event, context)

    (seen,) = app.seen
    (request_context,), (lambda_context,) = seen.values("x-amzn-request-context"), seen.values("x-amzn-lambda-context")
    assert json.loads(request_context) == event["requestContext"]
    told = json.loads(lambda_context)
    assert abs(told.pop("deadline") - context._epoch_deadline_time_in_ms) <= 10
    assert told == {
        "request_id": "request-1",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:1:function:shop",
        "xray_trace_id": None,
        "client_context": None,
        "identity": None,
        "tenant_id": None,
        "env_config": {
            "function_name": "shop",
            "memory": 128,
            "version": "$LATEST",
            "log_stream": "2024/01/12/[$LATEST]0123",
            "log_group": "/aws/lambda/shop",
        },
    }


def test_http_content_encoding_suffix(proxy: MakeProxy, app: Recorder) -> None:
    body = b'{"data": {"status": "OK"}}'
    headers = (("content-type", "application/graphql-response+json; charset=utf-8"), ("content-length", "26"))
    app.answer("GET", "/hello", body, headers=headers[:1])
    handler = proxy()

    assert ask(handler, "GET", "/hello") == ClientResponse(200, headers, body)
    result = handler(event_for("GET", "/hello"), None)
    assert (result["body"], result["isBase64Encoded"]) == (body.decode(), False)


def test_http_error_status_codes(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/error", b"Bad Gateway", status=502)
    handler = proxy(settings=Settings(error_status_codes=frozenset([500, 502])))

    with pytest.raises(ErrorStatus) as caught:
        ask(handler, "GET", "/error")

    assert json.loads(str(caught.value)) == {"statusCode": 502, "body": "Bad Gateway"}


def test_http_authorization_source(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/hello", b"OK")
    handler = proxy(settings=Settings(authorization_source="auth-token"))

    assert ask(handler, "GET", "/hello", ("Auth-Token", "Bearer token"), ("Authorization", "old")) == plain(b"OK")
    assert [(seen.values("authorization"), seen.values("auth-token")) for seen in app.seen] == [(["Bearer token"], [])]


def test_http_context_multi_headers(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    names = ("x-amzn-request-context", "x-amzn-lambda-context")
    forged = [(spelling, value) for name in names for spelling, value in ((name, "one"), (name.title(), "two"))]

    ask(proxy(), "GET", "/", *forged, context=make_context())

    (seen,) = app.seen
    values = {name: seen.values(name) for name in names}
    assert {name: len(found) for name, found in values.items()} == dict.fromkeys(names, 1)
    assert all(json.loads(found[0]).keys() for found in values.values())


def test_http_base_path_stripping(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/api/data", b"OK")
    handler = proxy(settings=Settings(base_path="/prod"))

    assert ask(handler, "GET", "/prod/api/data") == plain(b"OK")
    assert app.asked == [("GET", "/api/data")]


def test_http_base_path_no_match(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/other/path", b"OK")
    handler = proxy(settings=Settings(base_path="/prod"))

    assert ask(handler, "GET", "/other/path") == plain(b"OK")
    assert app.asked == [("GET", "/other/path")]


def test_http_base_path_root_after_strip(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/", b"Root")
    handler = proxy(settings=Settings(base_path="/prod"))

    assert ask(handler, "GET", "/prod") == plain(b"Root")
    assert app.asked == [("GET", "/")]


def test_deprecated_env_var_fallback(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    deprecated = {
        "HOST": "0.0.0.0",
        "READINESS_CHECK_PORT": "4001",
        "READINESS_CHECK_PATH": "/ready",
        "READINESS_CHECK_PROTOCOL": "TCP",
        "REMOVE_BASE_PATH": "/stage",
        "ASYNC_INIT": "true",
    }
    set_all(monkeypatch, deprecated | {"PORT": "4000"})

    origin, settings = OriginSettings(), Settings()

    assert (origin.address, origin.readiness_address) == (Address("0.0.0.0", 4000), Address("0.0.0.0", 4001))
    assert (origin.readiness_path, origin.readiness_protocol, origin.async_init) == ("/ready", "tcp", True)
    assert settings.base_path == "/stage"
    assert {(record.levelno, record.getMessage()) for record in caplog.records} == {
        (logging.WARNING, f"{name} is deprecated: use AWS_LWA_{name} instead.") for name in deprecated
    }


def test_namespaced_env_overrides_deprecated(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"PORT": "4000", "AWS_LWA_PORT": "5000", "HOST": "0.0.0.0", "AWS_LWA_HOST": "localhost"})

    assert OriginSettings().address == Address("localhost", 5000)


def test_http_authorization_source_missing_header(
    proxy: MakeProxy, app: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    app.answer("GET", "/hello", b"No Auth")
    handler = proxy(settings=Settings(authorization_source="x-missing-auth"))

    assert ask(handler, "GET", "/hello") == plain(b"No Auth")
    assert [seen.values("authorization") for seen in app.seen] == [[]]
    assert [record.getMessage() for record in caplog.records if record.name == "bridge"] == [
        "The request has no header x-missing-auth, which authorization should come from."
    ]


def test_http_error_status_codes_non_matching(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/ok", b"Not Found", status=404)
    handler = proxy(settings=Settings(error_status_codes=frozenset([500, 502, 503, 504])))

    assert ask(handler, "GET", "/ok") == plain(b"Not Found", status=404)


@pytest.mark.usefixtures("_in_lambda")
def test_http_async_init_ready_at_init(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/healthcheck", b"OK")
    app.answer("GET", "/hello", b"Hello")

    handler = proxy(readiness_protocol="http", readiness_path="/healthcheck", async_init=True)

    assert app.asked == [("GET", "/healthcheck")]
    assert ask(handler, "GET", "/hello") == plain(b"Hello")
    assert app.asked == [("GET", "/healthcheck"), ("GET", "/hello")]


def test_http_tcp_readiness_check(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/hello", b"TCP Ready")

    assert ask(proxy(readiness_protocol="tcp"), "GET", "/hello") == plain(b"TCP Ready")
    assert app.asked == [("GET", "/hello")]


async def ask_all(handler: Proxy, events: list[dict[str, Any]]) -> list[ClientResponse]:
    """The responses to all of these at the same time, in order."""
    responses: dict[int, ClientResponse] = {}

    async def ask_one(number: int) -> None:
        responses[number] = result_of(await handler.handle(events[number], None), "POST")

    async with handler, anyio.create_task_group() as group:
        for number in range(len(events)):
            group.start_soon(ask_one, number)
    return [responses[number] for number in range(len(events))]


@pytest.mark.anyio
async def test_concurrent_request_forwarding(proxy: MakeProxy, app: Recorder) -> None:
    paths = ["/a", "/b", "/a", "/b"]
    for path in paths:
        app.answer("GET", path, f"response_{path[1:]}".encode())

    responses = await ask_all(proxy(), [event_for("GET", path) for path in paths])

    assert responses == [plain(b"response_a"), plain(b"response_b")] * 2
    assert sorted(app.asked) == [("GET", "/a")] * 2 + [("GET", "/b")] * 2


@pytest.mark.anyio
async def test_concurrent_post_body_isolation(proxy: MakeProxy, app: Recorder) -> None:
    ids = ["a", "b", "a", "b"]
    for name in ids:
        app.answer("POST", f"/submit/{name}", f"ack_{name}".encode())
    bodies = [b'{"id": "%s"}' % name.encode() for name in ids]

    events = [event_for("POST", f"/submit/{name}", body=body) for name, body in zip(ids, bodies, strict=True)]
    responses = await ask_all(proxy(), events)

    assert responses == [plain(b"ack_a"), plain(b"ack_b")] * 2
    assert sorted((seen.target, seen.body) for seen in app.seen) == sorted(
        (f"/submit/{name}", body) for name, body in zip(ids, bodies, strict=True)
    )


def test_tenant_id_propagated_from_client_context(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    ask(proxy(), "GET", "/hello", context=make_context("tenant-abc-123"))

    (seen,) = app.seen
    assert seen.values("x-amz-tenant-id") == ["tenant-abc-123"]
    assert json.loads(seen.values("x-amzn-lambda-context")[0])["tenant_id"] == "tenant-abc-123"


def test_no_tenant_id_header_when_absent(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    # Unlike there, a client cannot make up a tenant of its own either.
    ask(proxy(), "GET", "/hello", ("X-Amz-Tenant-Id", "forged"), context=make_context())

    assert [seen.values("x-amz-tenant-id") for seen in app.seen] == [[]]
