"""Lambda Web Adapter's unit tests (its src/lib.rs and src/readiness.rs) by their own names.

https://github.com/aws/aws-lambda-web-adapter

Tests without an equivalent here:

| there | why not |
| --- | --- |
| test_invoke_mode_from_str | no such setting: `handler(...)` is buffered, `handler.stream(...)` is not |
| test_compression_disabled_with_response_stream, test_compression_enabled_with_buffered | Proxy compresses nothing |
| test_apply_runtime_proxy_config_sets_env | Lambda's own runtime asks for the events, and not this package |
| test_register_extension_retries_on_transient_failure, ..._handles_late_proxy_bind | the same: it is not an extension |
| test_client_helper_returns_restored_when_set | how it is made there: test_snapstart.py tests its purpose |
| test_checkpoint | tests/proxy/test_readiness.py has the lines of the log, every 2 s |
| test_strip_forbidden_header_bytes_all_clean | about an allocation; the values are in the test without `all_clean` |

Where the tests there ignore an invalid setting, here it is refused.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from bridge import Proxy
from bridge.errors import ConfigurationError, OriginNotStarted
from bridge.proxy.context_headers import context_headers
from bridge.proxy.settings import OriginSettings
from bridge.settings import status_codes
from tests.events import load
from tests.integration.lambda_web_adapter.conftest import MakeProxy
from tests.integration.lambda_web_adapter.recorder import Recorder
from tests.integration.servers import HOST, ask, event_for, free_port

MakeContext = Callable[..., Any]


def test_parse_status_codes() -> None:
    """And test_parse_status_codes_single_range, _mixed_with_spaces, _invalid, _invalid_range_format."""
    for value, codes in (
        ("500,502-504,422", {500, 502, 503, 504, 422}),
        ("500, 502-504, 422", {500, 502, 503, 504, 422}),
        ("500", {500}),
        ("200-204", {200, 201, 202, 203, 204}),
        ("200, 301-303, 404", {200, 301, 302, 303, 404}),
        ("", set()),
    ):
        assert status_codes("codes", value) == codes
    for value in ("invalid", "500-invalid", "200-300-400"):
        with pytest.raises(ConfigurationError, match=f"codes is '{value}'"):
            status_codes("codes", value)


@pytest.mark.parametrize(
    ("status", "healthy", "name"),
    [
        (200, "100-499", "test_status_200_is_ok"),
        (500, "100-499", "test_status_500_is_bad"),
        (403, "200-399", "test_status_403_is_bad_when_configured"),
    ],
)
def test_status(proxy: MakeProxy, app: Recorder, status: int, healthy: str, name: str) -> None:
    app.answer("GET", "/healthcheck", b"OK", status=status)
    limit = 30 if name.endswith("ok") else 0.2
    handler = proxy(
        readiness_protocol="http", readiness_path="/healthcheck", healthy_status=healthy, readiness_timeout=limit
    )
    if name.endswith("ok"):
        ask(handler, "GET", "/")
        assert app.asked == [("GET", "/healthcheck"), ("GET", "/")]
    else:
        with pytest.raises(OriginNotStarted, match=f"GET /healthcheck .* status {status}"):
            ask(handler, "GET", "/")
        assert set(app.asked) == {("GET", "/healthcheck")}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_tcp_readiness_check_success() -> None:
    with socket.create_server((HOST, 0)) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        async with Proxy(url=url, readiness_protocol="tcp", readiness_timeout=30):
            listener.accept()[0].close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_tcp_readiness_check_failure() -> None:
    port = free_port()
    with pytest.raises(OriginNotStarted, match=rf"http://{HOST}:{port} .*refused"):
        async with Proxy(port=port, readiness_protocol="tcp", readiness_timeout=0.2):
            pass


def test_protocol_from_str(monkeypatch: pytest.MonkeyPatch) -> None:
    """And test_protocol_from_str_unknown."""
    for value, protocol in (("http", "http"), ("HTTP", "http"), ("tcp", "tcp"), ("TCP", "tcp")):
        monkeypatch.setenv("AWS_LWA_READINESS_CHECK_PROTOCOL", value)
        assert OriginSettings().readiness_protocol == protocol
    for value in ("unknown", ""):
        monkeypatch.setenv("AWS_LWA_READINESS_CHECK_PROTOCOL", value)
        with pytest.raises(ConfigurationError, match=rf"AWS_LWA_READINESS_CHECK_PROTOCOL\) is '{value}'"):
            OriginSettings()


def test_adapter_new_invalid_host() -> None:
    """And test_adapter_new_valid_config."""
    with pytest.raises(ConfigurationError, match=r"host \(AWS_LWA_HOST\) is 'invalid host with spaces'"):
        Proxy(host="invalid host with spaces", port=8080)
    Proxy(host="127.0.0.1", port=3000, readiness_path="/health", readiness_protocol="http").close()


def test_tenant_id_header_propagated(proxy: MakeProxy, app: Recorder, make_context: MakeContext) -> None:
    """And test_tenant_id_header_absent_when_no_tenant."""
    for tenant in ("tenant-abc", None):
        ask(proxy(), "GET", "/hello", context=make_context(tenant))
    assert [seen.values("x-amz-tenant-id") for seen in app.seen] == [["tenant-abc"], []]


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


def test_hook_guard_blocks_equivalence_class(proxy: MakeProxy, app: Recorder) -> None:
    """And test_external_request_to_hook_path_is_forbidden."""
    handler = proxy(after_restore_path="/snapstart/after")
    for path in (
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
    ):
        # The path as the load balancer would have to pass it on: a client cannot have sent some of these that way.
        result = handler(event_for("POST", "/") | {"path": path}, None)
        assert (result["statusCode"], app.seen) == (403, []), path


def test_hook_guard_allows_distinct_route(proxy: MakeProxy, app: Recorder) -> None:
    """And test_non_hook_path_is_proxied_normally."""
    handler = proxy(after_restore_path="/snapstart/after")
    paths = ["/snapstart/after-report", "/snapstart", "/snapstart/afterx", "/hello"]
    for path in paths:
        app.answer("GET", path, b"OK")
        assert ask(handler, "GET", path).status == 200
    assert app.asked == [("GET", path) for path in paths]
