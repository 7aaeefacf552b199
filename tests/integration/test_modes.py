"""`BRIDGE_MODE=proxy` gives the same answers to the same events as `BRIDGE_MODE=in-process`."""

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from awslambdaric.lambda_context import LambdaContext  # type: ignore[import-untyped]

from bridge import Bridge
from bridge.errors import OriginNotStarted
from tests.events import BASES, load
from tests.integration.frameworks.gateways import STAGED

pytestmark = pytest.mark.usefixtures("nothing_unclosed")


class Pair(NamedTuple):
    """The handlers of one module, imported here once in each mode."""

    in_process: Bridge
    proxied: Bridge

    def ask(self, event: dict[str, Any], context: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.in_process(event, context), self.proxied(event, context)


@contextmanager
def load_pair(folder: Path, source: str) -> Iterator[Pair]:
    """Write a module with this source, and import it in both modes. The handlers are closed at the end."""
    name = f"modes_{folder.name}".replace("-", "_")
    folder.joinpath(f"{name}.py").write_text(source)
    handlers = []
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for variable in list(os.environ):
            if variable.startswith(("AWS_LAMBDA_", "AWS_LWA_", "BRIDGE_")):
                patch.delenv(variable)
        patch.setenv("_HANDLER", f"{name}.handler")
        for mode in ("in-process", "proxy"):
            patch.setenv("BRIDGE_MODE", mode)
            sys.modules.pop(name, None)
            handlers.append(importlib.import_module(name).handler)
            stack.callback(handlers[-1].close)
        yield Pair(*handlers)


# `scope["aws.context"]` and its parts become objects of the same shape; all else is shown as it is.
ECHO = '''
import json
from bridge import Bridge

def plain(value):
    """Return a context's attributes, whatever its parts are made of."""
    if isinstance(value, (str, int, float, list, dict, type(None))):
        return value
    return {name: plain(getattr(value, name)) for name in NAMES if hasattr(value, name)}

NAMES = """
    aws_request_id log_group_name log_stream_name function_name function_version tenant_id
    invoked_function_arn identity cognito_identity_id cognito_identity_pool_id client_context custom env client
    installation_id app_title app_version_name app_version_code app_package_name
""".split()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    context = scope.pop("aws.context")
    headers = sorted(scope.pop("headers"))
    seen = {
        "scope": {name: repr(value) for name, value in scope.items()},
        "headers": [(name.decode(), value.decode("latin-1")) for name, value in headers],
        "context": plain(context),
        "in time": 0 < context.get_remaining_time_in_millis() <= 60_000,
        "body": repr(body),
    }
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/")]
    await send({"type": "http.response.start", "status": 207, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

handler = Bridge(app)
'''

# docs/proxy.md lists them: entries of the scope, and headers that Proxy adds or that end at a socket.
DIFFERENT_ENTRIES = {"asgi", "aws.event", "state"}
DIFFERENT_HEADERS = {
    "connection",
    "x-amzn-request-context",
    "x-amzn-lambda-context",
    "x-amzn-trace-id",
    "x-amz-tenant-id",
}


def lambda_context() -> LambdaContext:
    client = {
        "client": {"installation_id": "phone", "app_title": "Shop"},
        "custom": {"theme": "dark", "sizes": [1, 2]},
        "env": {"locale": "de"},
    }
    identity = {"cognitoIdentityId": "eu-west-1:me", "cognitoIdentityPoolId": "eu-west-1:pool"}
    return LambdaContext("request-1", client, identity, int(time.time() * 1000) + 60_000, "arn:aws:lambda:x", "acme")


def seen_by_the_application(result: dict[str, Any]) -> dict[str, Any]:
    """Take what the echo saw out of its answer, without what differs."""
    seen: dict[str, Any] = json.loads(result.pop("body"))
    for name in DIFFERENT_ENTRIES:
        seen["scope"].pop(name, None)
    seen["headers"] = [pair for pair in seen["headers"] if pair[0] not in DIFFERENT_HEADERS]
    return seen


def test_every_source_gives_the_application_the_same_scope_and_the_client_the_same_result(tmp_path: Path) -> None:
    different = []
    with load_pair(tmp_path, ECHO) as pair:
        for name in BASES:
            results = pair.ask(load(name), lambda_context())
            seen = [seen_by_the_application(result) for result in results]
            assert seen[0]["context"]["client_context"]["custom"] == {"theme": "dark", "sizes": [1, 2]}
            assert seen[0]["scope"]["raw_path"].endswith("/orders/caf%C3%A9'")
            if seen[0] != seen[1] or results[0] != results[1]:
                different.append((name, *seen, *results))
        for name in ("connect", "message", "disconnect"):
            results = pair.ask(load(f"websocket_{name}"), lambda_context())
            seen = [seen_by_the_application(result) for result in results]
            if seen[0] != seen[1] or results[0] != results[1]:
                different.append((name, *seen, *results))
    assert different == []


# Method, path, and options of the request.
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/form", {"data": {"name": "Zoë & co", "tag": ["b", "a+c"]}}),
    ("GET", "/items/a%2Fb", {}),
    ("GET", "/moved", {}),
    ("GET", "/boom", {}),
]
FRAMEWORK = """
from pathlib import Path
from bridge import Bridge
from tests.integration.frameworks import {name}_app

app = {name}_app.make_app(Path(__file__).parent, [])
handler = Bridge(app)
"""


@pytest.mark.parametrize("name", ["fastapi", "django"])
def test_an_application_in_a_framework_gives_the_same_answers(tmp_path: Path, name: str) -> None:
    with load_pair(tmp_path, FRAMEWORK.format(name=name)) as pair:
        for method, path, options in REQUESTS:
            in_process, proxied = pair.ask(STAGED.event(STAGED.request(method, path, **options)), lambda_context())
            assert (path, proxied) == (path, in_process)


FAILING = """
import asyncio
from bridge import Bridge

async def answer(send, *headers, status=200, body=b"fine", more=False):
    pairs = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await receive()
    match scope["path"]:
        case "/raises":
            raise ValueError("no")
        case "/raises after its answer":
            await answer(send)
            raise ValueError("no")
        case "/is cancelled":
            raise asyncio.CancelledError()
        case "/is silent":
            return
        case "/in parts":
            await answer(send, more=True)
            for part in (b"", b"a", b"", b"b"):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})
        case "/raises half way":
            await answer(send, more=True)
            raise ValueError("no")
        case "/stops half way":
            await answer(send, more=True)
        case "/control byte":
            await answer(send, (b"x-a", b"a\\x01b"))
        case "/too short":
            await answer(send, (b"content-length", b"10"))

handler = Bridge(app)
"""
# The status codes in process, and with BRIDGE_MODE=proxy.
STATUSES = {
    "/raises": (500, 500),
    "/raises after its answer": (200, 200),
    "/is cancelled": (500, 500),
    "/is silent": (500, 500),
    "/in parts": (200, 200),
    # In process the whole answer was held back, and becomes a 500. Here its head is on its way.
    "/raises half way": (500, 502),
    "/stops half way": (500, 502),
    # A server checks a response after it has sent the head.
    "/control byte": (500, 502),
    "/too short": (200, 502),
}


def test_an_application_that_fails_is_answered_in_the_documented_way(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with load_pair(tmp_path, FAILING) as pair:
        statuses = {}
        for path in STATUSES:
            results = pair.ask(load("alb_multi", path=path))
            statuses[path] = tuple(result["statusCode"] for result in results)
            assert pair.proxied(load("alb_multi", path="/in parts"), None)["body"] == "fineab"
    assert statuses == STATUSES
    assert "Exception in ASGI application" in capfd.readouterr().err


STREAMING = """
import asyncio
from bridge import Bridge

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"].update(gate=asyncio.Event(), left=asyncio.Event())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body", False):
        pass
    state, path = scope["state"], scope["path"]
    await send({"type": "http.response.start", "status": 201, "headers": [(b"set-cookie", b"a=1")]})
    if path in ("/open", "/left"):
        await (state["left"].wait() if path == "/left" else asyncio.sleep(0))
        state["gate"].set()
    else:
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if path == "/endless":
            assert (await receive())["type"] == "http.disconnect"
            state["left"].set()
            return
        await state["gate"].wait()
    await send({"type": "http.response.body", "body": b"two"})

handler = Bridge(app, lifespan="on")
"""


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[Pair]:
    with load_pair(tmp_path, STREAMING) as pair:
        yield pair


def event_for(path: str) -> dict[str, Any]:
    return load("function_url", rawPath=path, requestContext__http__path=path)


async def through_the_gate(handler: Bridge) -> tuple[dict[str, Any], list[bytes]]:
    """Read the first part while the application waits for another request."""
    async with handler, handler.stream(event_for("/gate"), None) as response:
        parts = [await anext(response.body)]
        await handler.handle(event_for("/open"), None)
        return response.prelude, [*parts, b"".join([part async for part in response.body])]


async def leave_early(handler: Bridge) -> str:
    async with handler:
        async with handler.stream(event_for("/endless"), None) as response:
            assert await anext(response.body) == b"one"
        body: str = (await handler.handle(event_for("/left"), None))["body"]
        return body


def test_a_response_streams_and_a_reader_may_leave(streaming: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    for handler in (streaming.in_process, streaming.proxied):
        prelude, parts = asyncio.run(through_the_gate(handler))
        assert (prelude["statusCode"], prelude["cookies"], parts) == (201, ["a=1"], [b"one", b"two"])
        assert asyncio.run(leave_early(handler)) == "two"
    assert capfd.readouterr().out == "shut down\n" * 4


def test_a_startup_that_fails_is_told_with_its_traceback(tmp_path: Path) -> None:
    source = ECHO.replace("raise NotImplementedError", "await receive(); raise ValueError('no database')")
    with load_pair(tmp_path, source) as pair, pytest.raises(OriginNotStarted, match="ValueError: no database"):
        pair.proxied(event_for("/"), None)
