"""New Relic's decorator, which writes what it has measured to the log, for its extension or its log reader."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

from tests.integration.instrumentation.conftest import Function, StartDocumented, documented

Event = dict[str, Any]

SHOP = """
import newrelic.agent

@newrelic.agent.function_trace("stock")
async def stock(send):
    await send({"type": "http.response.start", "status": 200})

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await stock(send)
    await send({"type": "http.response.body", "body": b"fine"})
"""

VARIABLES = {
    "NEW_RELIC_SERVERLESS_MODE_ENABLED": "true",
    "NEW_RELIC_ACCOUNT_ID": "1",
    "NEW_RELIC_TRUSTED_ACCOUNT_KEY": "1",
    "NEW_RELIC_NO_CONFIG_FILE": "true",
}


def payloads_of(function: Function) -> list[dict[str, Any]]:
    """Return what it has written, one payload for each invocation."""
    lines = [json.loads(line) for line in function.log.splitlines() if '"NR_LAMBDA_MONITORING"' in line]
    data = [json.loads(gzip.decompress(base64.b64decode(line[-1]))) for line in lines]
    return [each.get("data", each) for each in data]


def transactions_of(function: Function) -> list[Any]:
    return [event for each in payloads_of(function) for event in each["analytic_event_data"][2]]


def metrics_of(function: Function, name: str) -> int:
    """Return how often something was measured in a transaction."""
    found = [metric for each in payloads_of(function) for metric in each["metric_data"][3]]
    return sum(values[0] for about, values in found if about["name"] == name and about["scope"])


def test_the_decorator_writes_a_transaction_for_each_invocation(
    start_documented: StartDocumented, make_event: Callable[..., Event], runtime: str
) -> None:
    function = start_documented(*documented("New Relic"), SHOP, runtime, **VARIABLES)
    for number in (1, 2):
        assert function(make_event())["body"] == "fine"
        transactions = transactions_of(function)
        assert len(transactions) == number
        about, _, attributes = transactions[-1]
        assert about["name"] == "WebTransaction/Function/shop"
        assert (attributes["request.method"], attributes["response.status"]) == ("GET", "200")
        assert attributes.get("aws.lambda.coldStart", False) is (number == 1)
        assert metrics_of(function, "Function/stock") == number
