"""The access line and the tracing hook under both runtimes, in every mode, in both formats of the log."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.events.records import queue
from tests.proxy.programs import free_port
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

MakeEvent = Callable[..., dict[str, Any]]

# Fails for one path. The hook prints.
APP = """
import sys
from contextlib import contextmanager
from bridge import Bridge, Proxy

async def app(scope, receive, send):
    assert scope["type"] == "http" and scope["path"] != "/fail"
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})

@contextmanager
def hook(call):
    yield
    print(f"hook: {call.method} {call.path} {call.status_code}", flush=True)

"""

BRIDGE = APP + "handler = Bridge(app, lifespan='off', access_log=True, tracing=hook)\n"
PROXY = APP + (
    "server = [sys.executable, '-m', 'uvicorn', '--port', 'PORT', '--lifespan', 'off', 'app:app']\n"
    "handler = Proxy(server, access_log=True, tracing=hook)\n"
)

OURS = "bridge.runtime"

CASES: list[Any] = [
    ("awslambdaric", BRIDGE, {}),
    ("awslambdaric", BRIDGE, {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}),
    (OURS, BRIDGE, {}),
    (OURS, BRIDGE, {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}),
    (OURS, BRIDGE, {"AWS_LAMBDA_MAX_CONCURRENCY": "3"}),
    (OURS, BRIDGE, {"AWS_LWA_INVOKE_MODE": "response_stream"}),
    (OURS, BRIDGE, {"BRIDGE_MODE": "proxy"}),
    (OURS, PROXY, {}),
    ("awslambdaric", PROXY, {}),
]


def access_lines(runtime: Runtime, *paths: str) -> list[dict[str, Any]]:
    """Wait for the lines of these paths, and return the fields of all; those of the log's format too if it is JSON."""
    for path in paths:
        runtime.wait_for_log(f'"path": "{path}"')
    found = re.findall(r'\{[^\n{}]*"duration_ms"[^\n{}]*\}', runtime.log)
    return [json.loads(line) for line in found]


@pytest.mark.parametrize(("client", "code", "environ"), CASES)
def test_each_invocation_has_one_line_and_one_block(
    api: RuntimeDouble, start_runtime: Runtimes, make_event: MakeEvent, client: str, code: str, environ: dict[str, Any]
) -> None:
    port = str(free_port())
    runtime = start_runtime(
        code.replace("PORT", port),
        "app.handler",
        client=client,
        AWS_LWA_PORT=port,
        AWS_LWA_READINESS_CHECK_PROTOCOL="TCP",
        **environ,
    )
    invocations = [api.invoke(make_event(path=f"/{number}")) for number in range(2)]
    for invocation in invocations:
        invocation.answer()
    failed, event = api.invoke(make_event(path="/fail")), api.invoke(queue("1"))
    assert b"Internal Server Error" in failed.answer().body
    assert event.answer().json == {}
    for text in ("GET /0 201", "GET /1 201", "GET /fail 500", "POST /events 200"):
        runtime.wait_for_log(f"hook: {text}")
    lines = access_lines(runtime, "/0", "/1", "/fail", "/events")
    assert sorted((line["path"], line["status"], line["source"]) for line in lines) == [
        ("/0", 201, "function-url"),
        ("/1", 201, "function-url"),
        ("/events", 200, "event:aws:sqs"),
        ("/fail", 500, "function-url"),
    ]
    ids = {invocation.request_id for invocation in (*invocations, failed, event)}
    assert {line["request_id"] for line in lines} == ids
    assert [line["cold_start"] for line in sorted(lines, key=lambda line: line["path"])].count(True) == 1
    assert {line["restored"] for line in lines} == {False}
    if "AWS_LAMBDA_LOG_FORMAT" in environ:
        assert {line["level"] for line in lines} == {"INFO"}
        assert {line["message"] for line in lines} >= {"GET /0 201", "GET /fail 500", "POST /events 200"}
        assert {line["requestId"] for line in lines} == ids


@pytest.mark.parametrize("api_options", [{"snapstart": True}])
@pytest.mark.parametrize("client", ["awslambdaric", OURS])
def test_the_first_line_after_a_restore_says_so(
    api: RuntimeDouble, start_runtime: Runtimes, make_event: MakeEvent, client: str
) -> None:
    runtime = start_runtime(BRIDGE, "app.handler", client=client, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    api.wait_for_snapshot()
    api.restore()
    for number in range(2):
        api.invoke(make_event(path=f"/{number}")).answer()
    first, second = access_lines(runtime, "/0", "/1")
    assert (first["cold_start"], first["restored"]) == (True, True)
    assert (second["cold_start"], second["restored"]) == (False, False)
