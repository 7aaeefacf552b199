"""Datadog's wrapper, which without its extension writes spans and metrics to the log."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrumentation.conftest import Function, StartDocumented, documented

Event = dict[str, Any]

SHOP = """
from ddtrace import tracer

async def app(scope, receive, send):
    assert scope["type"] == "http"
    with tracer.trace("stock"):
        await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

WRAPPED = "datadog_lambda.handler.handler"
(CODE,) = documented("Datadog")
PLAIN = "from bridge import Bridge\nfrom shop import app\nhandler = Bridge(app)"


def spans_of(function: Function) -> dict[str, Any]:
    """Return what it has written so far, by name. A later span takes the place of an earlier one."""
    documents = [json.loads(line) for line in function.log.splitlines() if line.startswith('{"traces"')]
    return {span["name"]: span for each in documents for trace in each["traces"] for span in trace}


@pytest.mark.parametrize("runtime", ["awslambdaric", "runtime"])
@pytest.mark.parametrize(("code", "handler"), [(CODE, "app.handler"), (PLAIN, WRAPPED)], ids=["decorated", "named"])
def test_the_wrapper_writes_the_spans_of_each_invocation(
    start_documented: StartDocumented, make_event: Callable[..., Event], runtime: str, code: str, handler: str
) -> None:
    function = start_documented(code, SHOP, runtime, handler, DD_LAMBDA_HANDLER="app.handler", DD_SERVICE="shop")
    seen = set()
    for _ in range(2):
        assert function(make_event())["body"] == "fine"
        spans = spans_of(function)
        outer, stock = spans["aws.lambda"], spans["stock"]
        assert (stock["parent_id"], stock["trace_id"]) == (outer["span_id"], outer["trace_id"])
        assert (outer["resource"], outer["type"], outer["error"]) == ("shop", "serverless", 0)
        seen.add(outer["span_id"])
    assert len(seen) == 2
