"""Lambda Web Adapter's unit tests (its src/lib.rs and src/readiness.rs), each by its own name, on a real web server.

https://github.com/aws/aws-lambda-web-adapter

What has no equivalent here:

| there | why not |
| --- | --- |
| test_invoke_mode_from_str | no such setting: `handler(...)` is buffered, `handler.stream(...)` is not |
| test_compression_disabled_with_response_stream, test_compression_enabled_with_buffered | Proxy compresses nothing |
| test_apply_runtime_proxy_config_sets_env | Lambda's own runtime asks for the events, and not this package |
| test_register_extension_retries_on_transient_failure, ..._handles_late_proxy_bind | the same: it is no extension |
| test_client_helper_returns_restored_when_set | how it is made there: test_snapstart.py has what it is for |
| test_strip_forbidden_header_bytes_all_clean | about an allocation; the values are in the test without `all_clean` |

Where the tests there say that a setting which makes no sense is passed over, here it is refused.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from bridge import Proxy
from bridge.errors import ConfigurationError, OriginNotStarted
from bridge.proxy.context_headers import context_headers
from bridge.proxy.server import OriginSettings
from bridge.settings import status_codes
from tests.events import load
from tests.integration.lambda_web_adapter.conftest import MakeProxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import HOST, ask, event_for, free_port

MakeContext = Callable[..., Any]


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("500,502-504,422", {500, 502, 503, 504, 422}),
        ("500, 502-504, 422", {500, 502, 503, 504, 422}),
        ("500", {500}),
        ("500-502", {500, 501, 502}),
        ("", set()),
    ],
)
def test_parse_status_codes(value: str, codes: set[int]) -> None:
    assert status_codes("codes", value) == codes


@pytest.mark.parametrize("value", ["invalid", "500-invalid"])
def test_parse_status_codes_invalid(value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"codes is '{value}'; expected a list of status codes and ranges"):
        status_codes("codes", value)


def test_parse_status_codes_single_range() -> None:
    assert status_codes("codes", "200-204") == {200, 201, 202, 203, 204}


def test_parse_status_codes_mixed_with_spaces() -> None:
    assert status_codes("codes", "200, 301-303, 404") == {200, 301, 302, 303, 404}


def test_parse_status_codes_invalid_range_format() -> None:
    with pytest.raises(ConfigurationError, match="codes is '200-300-400'"):
        status_codes("codes", "200-300-400")


def check_health(proxy: MakeProxy, app: Recorder, status: int, **arguments: Any) -> None:
    """Raises OriginNotStarted if the server is not healthy while GET /healthcheck is answered with `status`."""
    app.answer("GET", "/healthcheck", b"OK", status=status)
    handler = proxy(readiness_protocol="http", readiness_path="/healthcheck", readiness_timeout=0.2, **arguments)
    ask(handler, "GET", "/")


def test_status_200_is_ok(proxy: MakeProxy, app: Recorder) -> None:
    check_health(proxy, app, 200)

    assert app.asked == [("GET", "/healthcheck"), ("GET", "/")]


def test_status_500_is_bad(proxy: MakeProxy, app: Recorder) -> None:
    with pytest.raises(OriginNotStarted, match="GET /healthcheck was answered with status 500"):
        check_health(proxy, app, 500)

    assert set(app.asked) == {("GET", "/healthcheck")}


def test_status_403_is_bad_when_configured(proxy: MakeProxy, app: Recorder) -> None:
    with pytest.raises(OriginNotStarted, match="GET /healthcheck was answered with status 403"):
        check_health(proxy, app, 403, healthy_status="200-399")

    assert set(app.asked) == {("GET", "/healthcheck")}


@pytest.mark.anyio
async def test_tcp_readiness_check_success() -> None:
    with socket.create_server((HOST, 0)) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        async with Proxy(url=url, readiness_protocol="tcp", readiness_timeout=5):
            listener.accept()[0].close()


@pytest.mark.anyio
async def test_tcp_readiness_check_failure() -> None:
    port = free_port()
    with pytest.raises(OriginNotStarted, match=f"http://{HOST}:{port} was not ready within 0.2 s: .*refused"):
        async with Proxy(port=port, readiness_protocol="tcp", readiness_timeout=0.2):
            pass


@pytest.mark.parametrize(("value", "protocol"), [("http", "http"), ("HTTP", "http"), ("tcp", "tcp"), ("TCP", "tcp")])
def test_protocol_from_str(value: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LWA_READINESS_CHECK_PROTOCOL", value)

    assert OriginSettings().readiness_protocol == protocol


@pytest.mark.parametrize("value", ["unknown", ""])
def test_protocol_from_str_unknown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LWA_READINESS_CHECK_PROTOCOL", value)

    with pytest.raises(ConfigurationError, match=rf"AWS_LWA_READINESS_CHECK_PROTOCOL\) is '{value}'; expected 'http'"):
        OriginSettings()


def test_adapter_new_invalid_host() -> None:
    with pytest.raises(ConfigurationError, match=r"host \(AWS_LWA_HOST\) is 'invalid host with spaces'; expected"):
        Proxy(host="invalid host with spaces", port=8080)


def test_adapter_new_valid_config() -> None:
    Proxy(host="127.0.0.1", port=3000, readiness_path="/health", readiness_protocol="http").close()


def test_tenant_id_header_propagated(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    ask(proxy(), "GET", "/hello", context=make_context("tenant-abc"))

    assert [seen.values("x-amz-tenant-id") for seen in app.seen] == [["tenant-abc"]]


def test_tenant_id_header_absent_when_no_tenant(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    ask(proxy(), "GET", "/hello", context=make_context())

    assert [seen.values("x-amz-tenant-id") for seen in app.seen] == [[]]


def test_strip_forbidden_header_bytes(make_context: MakeContext) -> None:
    context = make_context("a\tb\nc\rd\x00e\x04f\x18g\x7fh, h\u00e9llo")

    headers = dict(context_headers({"requestContext": {"path": "/\x04\x7f\x18\t\u00e9"}}, context))

    assert headers[b"x-amz-tenant-id"] == "abcdefgh, h\u00e9llo".encode()
    assert headers[b"x-amzn-request-context"] == rb'{"path":"/\u0004\u007f\u0018\t\u00e9"}'


def test_request_context_with_control_bytes_in_path(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    path = "/\x04\x7f\x18;{curl,http://test.example}"
    event = load("http_api_v2", rawPath="/hello", requestContext__http__path=path)

    proxy()(event, make_context())

    (seen,) = app.seen
    for name in ("x-amzn-request-context", "x-amzn-lambda-context"):
        assert all(" " <= character <= "~" for value in seen.values(name) for character in value)
    assert json.loads(seen.values("x-amzn-request-context")[0]) == event["requestContext"]
    assert json.loads(seen.values("x-amzn-lambda-context")[0])["request_id"] == "request-1"


def test_snapstart_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = OriginSettings()
    monkeypatch.setenv("AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH", "/snapstart/before")
    monkeypatch.setenv("AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH", "/snapstart/after")
    given = OriginSettings()

    assert (unset.before_checkpoint_path, unset.after_restore_path) == ("", "")
    assert (given.before_checkpoint_path, given.after_restore_path) == ("/snapstart/before", "/snapstart/after")


def test_external_request_to_hook_path_is_forbidden(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("POST", "/snapstart/after", b"should not be called")

    response = ask(proxy(after_restore_path="/snapstart/after"), "POST", "/snapstart/after")

    assert (response.status, response.body, app.seen) == (403, b"Forbidden", [])


def test_non_hook_path_is_proxied_normally(proxy: MakeProxy, app: Recorder) -> None:
    app.answer("GET", "/hello", b"OK")

    response = ask(proxy(after_restore_path="/snapstart/after"), "GET", "/hello")

    assert (response.status, response.body, app.asked) == (200, b"OK", [("GET", "/hello")])


@pytest.mark.parametrize(
    "path",
    [
        "/snapstart/after",
        "snapstart/after",
        "/snapstart/after/",
        "//snapstart//after",
        "/snapstart/./after",
        "/foo/../snapstart/after",
        "/snapstart/%61fter",
        "/SnapStart/After",
        "/snapstart/%2fafter",
        "/snapstart\\after",
    ],
)
def test_hook_guard_blocks_equivalence_class(proxy: MakeProxy, app: Recorder, path: str) -> None:
    # The path as the load balancer would have to pass it on: some of these no client can have sent that way.
    event = event_for("POST", "/") | {"path": path}

    result = proxy(after_restore_path="/snapstart/after")(event, None)

    assert (result["statusCode"], app.seen) == (403, [])


@pytest.mark.parametrize("path", ["/snapstart/after-report", "/snapstart", "/snapstart/afterx", "/hello"])
def test_hook_guard_allows_distinct_route(proxy: MakeProxy, app: Recorder, path: str) -> None:
    app.answer("GET", path, b"OK")

    response = ask(proxy(after_restore_path="/snapstart/after"), "GET", path)

    assert (response.status, response.body, app.asked) == (200, b"OK", [("GET", path)])


def test_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    """Its first one is after 2,000 ms, and the next ones are 2,000 ms later each."""
    port = free_port()
    handler = Proxy(port=port, readiness_protocol="tcp", readiness_timeout=4.9)

    with pytest.raises(OriginNotStarted):
        handler(event_for("GET", "/"), None)
    handler.close()

    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        f"The web server at http://{HOST}:{port} is not ready after {seconds} s" for seconds in (2, 4)
    ]
