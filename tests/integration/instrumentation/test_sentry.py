"""Sentry's SDK with its own transport: one failure is one event, which arrives before the freeze."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrumentation.collectors import HTTPCollector
from tests.integration.instrumentation.conftest import StartDocumented, documented

Event = dict[str, Any]

ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/broken":
        raise LookupError("no such page")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def fine(request):
    return PlainTextResponse("fine")

async def broken(request):
    raise LookupError("no such page")

app = Starlette(routes=[Route("/", fine), Route("/broken", broken)])
"""

FLASK = """
from flask import Flask

app = Flask("shop")

@app.get("/")
def fine():
    return "fine"

@app.get("/broken")
def broken():
    raise LookupError("no such page")
"""

LAMBDA, MIDDLEWARE = documented("Sentry")
(FUNCTION,) = documented("Send it before the freeze")


def check_one_event_for_each_failure(
    start: StartDocumented, collector: HTTPCollector, make_event: Callable[..., Event], *args: str, **environ: str
) -> list[Any]:
    function = start(*args, SENTRY_DSN=f"http://key@{collector.address}/1", **environ)
    answer = function(make_event())
    assert "fine" in (answer, answer["body"] if isinstance(answer, dict) else "")
    assert collector.take_envelopes("event") == []
    events = []
    for _ in range(2):
        function(make_event(path="/broken"))
        (event,) = collector.take_envelopes("event")
        (exception,) = event["exception"]["values"]
        assert (exception["type"], exception["value"]) == ("LookupError", "no such page")
        events.append(event)
    return events


# Each start needs 2 s of CPU: Sentry's init imports every framework that is installed.
@pytest.mark.parametrize("shop", [STARLETTE, FLASK], ids=["starlette", "flask"])
def test_its_lambda_integration_works_with_awslambdaric(
    start_documented: StartDocumented, collector: HTTPCollector, make_event: Callable[..., Event], shop: str
) -> None:
    events = check_one_event_for_each_failure(start_documented, collector, make_event, LAMBDA, shop, "awslambdaric")
    assert events[0]["extra"]["lambda"]["function_name"] == "shop"


@pytest.mark.parametrize(
    ("runtime", "mode", "shop"),
    [
        ("awslambdaric", "buffered", STARLETTE),
        ("runtime", "buffered", ASGI),
        ("runtime", "response_stream", STARLETTE),
        ("slots", "response_stream", ASGI),
    ],
    ids=["awslambdaric", "runtime", "streamed", "streamed in slots"],
)
def test_its_middleware_works_everywhere(
    start_documented: StartDocumented,
    collector: HTTPCollector,
    make_event: Callable[..., Event],
    runtime: str,
    mode: str,
    shop: str,
) -> None:
    check_one_event_for_each_failure(
        start_documented, collector, make_event, MIDDLEWARE, shop, runtime, AWS_LWA_INVOKE_MODE=mode
    )


@pytest.mark.parametrize("runtime", ["awslambdaric", "runtime"])
def test_a_function_around_a_bridge_flushes_for_flask(
    start_documented: StartDocumented, collector: HTTPCollector, make_event: Callable[..., Event], runtime: str
) -> None:
    check_one_event_for_each_failure(start_documented, collector, make_event, FUNCTION, FLASK, runtime)
