"""Powertools' decorators on a Bridge, in the process of each runtime: what they write and send for each invocation."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.instrumentation.collectors import XRayDaemon
from tests.integration.instrumentation.conftest import Function, StartDocumented, documented

Event = dict[str, Any]

SHOP = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(child=True)

@Tracer().capture_method
def count():
    Metrics().add_metric(name="orders", unit=MetricUnit.Count, value=1)

async def app(scope, receive, send):
    assert scope["type"] == "http"
    count()
    logger.info("counted")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

VARIABLES = {"POWERTOOLS_SERVICE_NAME": "shop", "POWERTOOLS_METRICS_NAMESPACE": "market"}


@pytest.fixture(params=["awslambdaric", "runtime"])
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def documents(function: Function) -> Iterator[dict[str, Any]]:
    for line in function.log.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def test_logger_metrics_and_tracer_know_each_invocation(
    start_documented: StartDocumented, daemon: XRayDaemon, make_event: Callable[..., Event], runtime: str
) -> None:
    (code,) = documented("Powertools: Logger, Tracer, Metrics")
    function = start_documented(code, SHOP, runtime, AWS_XRAY_DAEMON_ADDRESS=daemon.address, **VARIABLES)
    for number in (1, 2):
        trace, segment = f"1-5759e988-bd862e3fe1be46a99427279{number}", f"53995c3f42cd8ad{number}"
        event = make_event(headers={"host": "shop.example", "x-request-id": f"order-{number}"})
        assert function(event, f"Root={trace};Parent={segment};Sampled=1")["body"] == "fine"
        count, handler = daemon.take()  # in the order in which they end
        assert (handler["name"], handler["trace_id"], handler["parent_id"]) == ("## Bridge", trace, segment)
        assert handler["annotations"] == {"ColdStart": number == 1, "Service": "shop"}
        assert (count["name"], count["trace_id"], count["parent_id"]) == ("## shop.count", trace, handler["id"])
    lines = [each for each in documents(function) if each.get("message") == "counted"]
    assert [each["correlation_id"] for each in lines] == ["order-1", "order-2"]
    assert [(each["cold_start"], each["function_name"]) for each in lines] == [(True, "shop"), (False, "shop")]
    measured = [each for each in documents(function) if "_aws" in each]
    assert [each["orders"] for each in measured if "orders" in each] == [[1.0], [1.0]]
    assert [each["ColdStart"] for each in measured if "ColdStart" in each] == [[1.0]]


def test_a_tracer_that_is_off_sends_nothing(
    start_documented: StartDocumented, daemon: XRayDaemon, make_event: Callable[..., Event], runtime: str
) -> None:
    (code,) = documented("Powertools: Logger, Tracer, Metrics")
    environ = VARIABLES | {"AWS_XRAY_DAEMON_ADDRESS": daemon.address, "POWERTOOLS_TRACE_DISABLED": "1"}
    function = start_documented(code, SHOP, runtime, **environ)
    assert function(make_event())["body"] == "fine"
    assert daemon.take() == []
