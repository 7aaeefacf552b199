"""Lambda Web Adapter's integration tests (its tests/integ_tests/main.rs) by their own names, on a real web server.

https://github.com/aws/aws-lambda-web-adapter

Tests without an equivalent here:

| there | why not |
| --- | --- |
| test_http_compress | Proxy compresses nothing: AWS_LWA_ENABLE_COMPRESSION is a warning |
| the four tests of tests/e2e_tests | they need a deployed function; test_http_* and the emulator ask the same |
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from bridge import Proxy, Settings
from bridge.errors import ErrorStatus
from bridge.proxy.address import Address
from bridge.proxy.settings import OriginSettings
from bridge.runtime.settings import RuntimeSettings
from tests.integration.exchange import ClientResponse
from tests.integration.lambda_web_adapter.conftest import MakeProxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import ask, event_for, result_of
from tests.logged import assert_logged

MakeContext = Callable[..., Any]
Headers = tuple[tuple[str, str], ...]

NAMESPACED = {
    "AWS_LWA_PORT": "3000",
    "AWS_LWA_HOST": "localhost",
    "AWS_LWA_READINESS_CHECK_PORT": "8000",
    "AWS_LWA_READINESS_CHECK_PROTOCOL": "TCP",
    "AWS_LWA_READINESS_CHECK_PATH": "/healthcheck",
    "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200-399",
    "AWS_LWA_REMOVE_BASE_PATH": "/prod",
    "AWS_LWA_ASYNC_INIT": "true",
    "AWS_LWA_AUTHORIZATION_SOURCE": "auth-token",
    "AWS_LWA_ERROR_STATUS_CODES": "500,502-504",
}

DEPRECATED = {
    "HOST": "0.0.0.0",
    "READINESS_CHECK_PORT": "4001",
    "READINESS_CHECK_PATH": "/ready",
    "READINESS_CHECK_PROTOCOL": "TCP",
    "REMOVE_BASE_PATH": "/stage",
    "ASYNC_INIT": "true",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_adapter_options_from_env(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """And test_adapter_options_from_namespaced_env."""
    set_all(monkeypatch, NAMESPACED | {"AWS_LWA_ENABLE_COMPRESSION": "true", "AWS_LWA_INVOKE_MODE": "buffered"})

    Proxy().close()

    assert_logged(caplog, ("WARNING", "AWS_LWA_ENABLE_COMPRESSION"))
    assert RuntimeSettings().invoke_mode == "buffered"
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


@pytest.mark.parametrize(
    ("variables", "address", "readiness_address"),
    [
        pytest.param(
            {"AWS_LWA_PORT": "3000"},
            Address("127.0.0.1", 3000),
            Address("127.0.0.1", 3000),
            id="test_readiness_check_port_fallback_to_lwa_port",
        ),
        pytest.param(
            {"PORT": "9090"},
            Address("127.0.0.1", 9090),
            Address("127.0.0.1", 9090),
            id="test_port_fallback_to_port_env",
        ),
        pytest.param(
            {"PORT": "4000", "AWS_LWA_PORT": "5000", "HOST": "0.0.0.0", "AWS_LWA_HOST": "localhost"},
            Address("localhost", 5000),
            Address("localhost", 5000),
            id="test_namespaced_env_overrides_deprecated",
        ),
    ],
)
def test_addresses(
    variables: dict[str, str],
    address: Address,
    readiness_address: Address,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_all(monkeypatch, variables)
    origin = OriginSettings()
    assert (origin.address, origin.readiness_address) == (address, readiness_address)
    assert_logged(caplog)  # PORT is not a deprecated name


def test_deprecated_env_var_fallback(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    set_all(monkeypatch, DEPRECATED | {"PORT": "4000"})

    origin, settings = OriginSettings(), Settings()

    assert (origin.address, origin.readiness_address) == (Address("0.0.0.0", 4000), Address("0.0.0.0", 4001))
    assert (origin.readiness_path, origin.readiness_protocol, origin.async_init) == ("/ready", "tcp", True)
    assert settings.base_path == "/stage"
    warned = {name for name in DEPRECATED if f"AWS_LWA_{name}" in caplog.text}
    assert (warned, len(caplog.records)) == (set(DEPRECATED), len(DEPRECATED))


OK = ClientResponse(200, (), b"OK")


@dataclass(frozen=True)
class Exchange:
    """A request, the answer of the web server, and what each side gets of the other's. `seen`: the request there.

    `seen_headers`: values by name.
    """

    name: str
    method: str = "GET"
    target: str = "/hello"
    headers: Headers = ()
    body: bytes = b""
    seen: str = ""  # as `target`, by default
    seen_headers: dict[str, list[str]] = field(default_factory=dict)
    answer: ClientResponse = OK
    settings: dict[str, Any] = field(default_factory=dict)


ZIPPED = gzip.compress(b"the body of a response", mtime=0)
GRAPHQL = (("content-type", "application/graphql-response+json; charset=utf-8"),)
PROD = {"base_path": "/prod"}

EXCHANGES = [
    Exchange("test_http_basic_request", answer=ClientResponse(200, (), b"Hello World")),
    Exchange(
        "test_http_headers",
        headers=(("foo", "bar"),),
        seen_headers={"foo": ["bar"]},
        answer=ClientResponse(200, (("fizz", "buzz"),), b"OK"),
    ),
    Exchange("test_http_path_encoding", target="/A\u00f1o_1234", seen="/A%C3%B1o_1234"),
    Exchange("test_http_query_params", target="/?foo=bar&fizz=buzz"),
    Exchange("test_http_post_put_delete", "POST"),
    Exchange("test_http_post_put_delete", "PUT"),
    Exchange("test_http_post_put_delete", "DELETE"),
    Exchange(
        "test_http_request_body_forwarded",
        "POST",
        headers=(("content-type", "application/json"),),
        body=b'{"name": "test", "value": 123}',
        seen_headers={"content-type": ["application/json"]},
        answer=ClientResponse(201, (), b"JSON Created"),
    ),
    Exchange("test_http_request_body_forwarded", "POST", seen_headers={"content-type": []}),
    Exchange("test_http_request_body_forwarded", "POST", body=b"\x00\x01\x02\xff\xfe\x89PNG"),
    Exchange(
        "test_http_compress_disallowed_type",
        headers=(("accept-encoding", "gzip"),),
        answer=ClientResponse(200, (("content-type", "application/octet-stream"),), b"a body of 59 bytes"),
    ),
    Exchange(
        "test_http_compress_already_compressed",
        headers=(("accept-encoding", "gzip"),),
        answer=ClientResponse(200, (("content-type", "text/plain"), ("content-encoding", "gzip")), ZIPPED),
    ),
    Exchange("test_http_content_encoding_suffix", answer=ClientResponse(200, GRAPHQL, b'{"data": {"status": "OK"}}')),
    Exchange(
        "test_http_authorization_source",
        headers=(("Auth-Token", "Bearer token"), ("Authorization", "old")),
        seen_headers={"authorization": ["Bearer token"], "auth-token": []},
        settings={"authorization_source": "auth-token"},
    ),
    Exchange(
        "test_http_authorization_source_missing_header",
        seen_headers={"authorization": []},
        settings={"authorization_source": "x-missing-auth"},
    ),
    Exchange("test_http_base_path_stripping", target="/prod/api/data", seen="/api/data", settings=PROD),
    Exchange("test_http_base_path_no_match", target="/other/path", settings=PROD),
    Exchange("test_http_base_path_root_after_strip", target="/prod", seen="/", settings=PROD),
    Exchange(
        "test_http_error_status_codes_non_matching",
        answer=ClientResponse(404, (), b"Not Found"),
        settings={"error_status_codes": "500,502-504"},
    ),
    # A client cannot make up a tenant of its own either.
    Exchange(
        "test_no_tenant_id_header_when_absent",
        headers=(("X-Amz-Tenant-Id", "forged"),),
        seen_headers={"x-amz-tenant-id": []},
    ),
]


def test_exchanges(proxy: MakeProxy, app: Recorder) -> None:
    for exchange in EXCHANGES:
        app.reset()
        seen, answer = exchange.seen or exchange.target, exchange.answer
        app.answer(exchange.method, seen.partition("?")[0], answer.body, status=answer.status, headers=answer.headers)
        handler = proxy(settings=Settings(**exchange.settings))

        response = ask(handler, exchange.method, exchange.target, *exchange.headers, body=exchange.body)

        length = ("content-length", str(len(answer.body)))
        assert response == replace(answer, headers=(*answer.headers, length)), exchange.name
        (request,) = app.seen
        assert (request.method, request.target, request.body) == (exchange.method, seen, exchange.body), exchange.name
        assert {name: request.values(name) for name in exchange.seen_headers} == exchange.seen_headers, exchange.name


def test_http_content_encoding_suffix_is_text(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/hello", b"{}", headers=GRAPHQL)
    result = proxy()(event_for("GET", "/hello"), None)
    assert (result["body"], result["isBase64Encoded"]) == ("{}", False)


@pytest.mark.usefixtures("_in_lambda")
@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_http_readiness_check(proxy: MakeProxy, app: Recorder, protocol: str) -> None:
    """And test_http_tcp_readiness_check, test_http_async_init_ready_at_init."""
    app.answer("GET", "/healthcheck", b"OK")
    handler = proxy(readiness_protocol=protocol, readiness_path="/healthcheck", async_init=True)
    checks = [("GET", "/healthcheck")] if protocol == "http" else []
    assert app.asked == checks

    ask(handler, "GET", "/first")
    ask(handler, "GET", "/second")

    assert app.asked == [*checks, ("GET", "/first"), ("GET", "/second")]


def test_http_context_headers(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    """And test_http_context_multi_headers, test_tenant_id_propagated_from_client_context."""
    names = ("x-amzn-request-context", "x-amzn-lambda-context")
    forged = [(spelling, value) for name in names for spelling, value in ((name, "one"), (name.title(), "two"))]
    event = event_for("GET", "/", *forged)
    context = make_context("tenant-abc-123")

    proxy()(event, context)

    (seen,) = app.seen
    (request_context,), (lambda_context,) = seen.values("x-amzn-request-context"), seen.values("x-amzn-lambda-context")
    assert json.loads(request_context) == event["requestContext"]
    assert seen.values("x-amz-tenant-id") == ["tenant-abc-123"]
    told = json.loads(lambda_context)
    assert abs(told.pop("deadline") - context._epoch_deadline_time_in_ms) <= 1000
    assert told == {
        "request_id": "request-1",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:1:function:shop",
        "xray_trace_id": None,
        "client_context": None,
        "identity": None,
        "tenant_id": "tenant-abc-123",
        "env_config": {
            "function_name": "shop",
            "memory": 128,
            "version": "$LATEST",
            "log_stream": "2024/01/12/[$LATEST]0123",
            "log_group": "/aws/lambda/shop",
        },
    }


def test_http_error_status_codes(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/error", b"Bad Gateway", status=502)
    handler = proxy(settings=Settings(error_status_codes=frozenset([500, 502])))

    with pytest.raises(ErrorStatus) as caught:
        ask(handler, "GET", "/error")

    assert json.loads(str(caught.value)) == {"statusCode": 502, "body": "Bad Gateway"}


@pytest.mark.anyio
async def test_concurrent_post_body_isolation(proxy: MakeProxy, app: Recorder) -> None:
    """And test_concurrent_request_forwarding."""
    names = [f"{number}" for number in range(6)]
    responses: dict[str, ClientResponse] = {}

    async def ask_one(name: str) -> None:
        app.answer("POST", f"/submit/{name}", f"ack_{name}".encode())
        event = event_for("POST", f"/submit/{name}", body=f"body_{name}".encode())
        responses[name] = result_of(await handler.handle(event, None), "POST")

    async with proxy() as handler, anyio.create_task_group() as group:
        for name in names:
            group.start_soon(ask_one, name)

    assert {name: response.body for name, response in responses.items()} == {
        name: f"ack_{name}".encode() for name in names
    }
    assert sorted((seen.target, seen.body) for seen in app.seen) == [
        (f"/submit/{name}", f"body_{name}".encode()) for name in names
    ]
