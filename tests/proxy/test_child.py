"""What runs in the child process of BRIDGE_MODE=proxy."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bridge import Bridge
from bridge._types import Message, Receive, Scope, Send
from bridge.context_headers import context_headers
from bridge.proxy.child import ChildApplication, lambda_context, load
from bridge.proxy.headers import CONNECTION_HEADER
from tests.apps import START, part, sending
from tests.logged import assert_logged


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


handler = Bridge(app, lifespan="off")
shop = SimpleNamespace(api=SimpleNamespace(app=app))


def test_the_application_is_loaded_by_its_name_or_by_that_of_its_bridge() -> None:
    assert [load(f"{__name__}:{name}") for name in ("app", "handler", "shop.api.app")] == [app] * 3


def test_a_name_that_the_module_does_not_have_ends_the_child_with_what_to_do() -> None:
    with pytest.raises(SystemExit, match=r"'shop\.web' in the module .*test_child\.py.*BRIDGE_APP"):
        load(f"{__name__}:shop.web")


def test_what_the_import_raises_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_shop.py").write_text("None.app")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="NoneType"):
        load("broken_shop:app")
    assert "broken_shop" not in sys.modules


DEVICE: dict[str, str | None] = {"installation_id": "phone", "app_title": "Shop"}
DEVICE |= dict.fromkeys(["app_version_name", "app_version_code", "app_package_name"])
CLIENT = SimpleNamespace(client=SimpleNamespace(**DEVICE), custom={"theme": "dark"}, env={"locale": "de"})
CONTEXT = SimpleNamespace(
    aws_request_id="request-1",
    invoked_function_arn="arn:aws:lambda:x",
    tenant_id="acme",
    function_name="shop",
    function_version="7",
    memory_limit_in_mb=256,
    log_group_name="/aws/lambda/shop",
    log_stream_name="2026/01/01",
    client_context=CLIENT,
    identity=SimpleNamespace(cognito_identity_id="me", cognito_identity_pool_id="pool"),
)


def header_of(context: Any) -> bytes | None:
    return dict(context_headers({}, context)).get(b"x-amzn-lambda-context")


def test_the_context_has_the_attributes_that_it_was_sent_with() -> None:
    assert lambda_context(header_of(CONTEXT)) == CONTEXT


def test_the_context_counts_down_to_its_deadline() -> None:
    for left in (60_000, -5):
        context = lambda_context(header_of(SimpleNamespace(get_remaining_time_in_millis=lambda left=left: left)))
        assert context is not None
        assert max(left, 0) - 30_000 < context.get_remaining_time_in_millis() <= max(left, 0)


def test_what_a_context_does_not_have_is_none() -> None:
    for client in (None, SimpleNamespace(client=None, custom=None, env=None)):
        context = lambda_context(header_of(SimpleNamespace(client_context=client)))
        assert context is not None
        assert (context.client_context, context.aws_request_id) == (client, None)
        assert context.identity == SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        assert not hasattr(context, "get_remaining_time_in_millis")
    assert lambda_context(header_of(None)) is None


CONNECTION = {"client": ["192.0.2.7", 0], "server": None, "scheme": "https", "http_version": "2", "root_path": "/a b"}


async def receive_nothing() -> Message:
    raise NotImplementedError


async def send_nothing(message: Message) -> None:
    raise NotImplementedError


async def scope_of(state: dict[str, Any] | None, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return the scope that the application gets for one from uvicorn with these headers."""
    seen: dict[str, Any] = {}

    async def record(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope)

    pairs = [(b"host", b"shop"), *headers]
    scope: dict[str, Any] = {"type": "http", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=%20"}
    scope |= {
        "client": None,
        "scheme": "http",
        "headers": [*pairs, (CONNECTION_HEADER, json.dumps(CONNECTION).encode())],
    }
    lifespan: Any = SimpleNamespace(state=state)
    await ChildApplication(record, lifespan)(scope, receive_nothing, send_nothing)
    assert CONNECTION_HEADER in dict(scope["headers"])  # uvicorn's own scope stays as it is
    assert seen.pop("headers") == pairs
    return seen


@pytest.mark.anyio
async def test_the_scope_is_made_of_the_headers(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "old")
    scope = {"type": "http", "query_string": b"c=%20", "client": ("192.0.2.7", 0), "server": None}
    scope |= {"scheme": "https", "http_version": "2", "aws.context": None}
    scope |= {"root_path": "/a b", "path": "/a b", "raw_path": b"/a%20b"}
    assert await scope_of(None) == scope
    assert await scope_of({"pool": 1}) == scope | {"state": {"pool": 1}}


@pytest.mark.anyio
async def test_the_log_names_the_request_of_a_failed_application(caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn logs the traceback, without the request."""
    headers = [(CONNECTION_HEADER, json.dumps(CONNECTION).encode())]
    scope = {"type": "http", "method": "POST", "path": "/a b", "raw_path": b"/a%20b", "headers": headers}
    lifespan: Any = SimpleNamespace(state=None)
    for error in (KeyError("stock"), SystemExit(3)):
        failing = ChildApplication(AsyncMock(side_effect=error), lifespan)
        with pytest.raises(type(error)):
            await failing(scope, receive_nothing, send_nothing)
    assert_logged(caplog, ("ERROR", "POST /a%20b: ", "KeyError"), ("ERROR", "POST /a%20b: ", "SystemExit"))


@pytest.mark.anyio
async def test_the_log_tells_a_background_task_from_a_route(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(CONNECTION_HEADER, json.dumps(CONNECTION).encode())]
    scope = {"type": "http", "method": "POST", "path": "/x", "raw_path": b"/x", "headers": headers}
    lifespan: Any = SimpleNamespace(state=None)
    failed: Message = {**START, "status": 500}
    sent = ((), (START,), (START, part(b"a", more=True)), (START, part(b"a")), (failed, part(b"")))
    for messages in sent:
        failing = ChildApplication(sending(*messages, then=KeyError("sku")), lifespan)
        with pytest.raises(KeyError):
            await failing(scope, receive_nothing, AsyncMock())
    route = "POST /x: The application raised KeyError."
    later = "POST /x: The application raised KeyError after its response was complete."
    handled = "POST /x: The application answered 500, and raised KeyError."
    assert caplog.messages == [route, route, route, later, handled]


@pytest.mark.anyio
async def test_the_trace_is_where_x_ray_s_libraries_look_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "old")
    await scope_of(None, (b"x-amzn-trace-id", b"Root=1-a"))
    assert os.environ["_X_AMZN_TRACE_ID"] == "Root=1-a"
