"""Powertools' decorators around a handler; those that insist on a function get one that calls it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

from bridge import Bridge, Handler, InProcessTransport, Proxy
from tests.apps import START, part, sending
from tests.integration.servers import BackgroundServer

Event = dict[str, Any]
Function = Callable[[Event, Any], Event]

APP = sending(START, part(b"fine"))


@dataclass
class Context:
    """What Powertools reads of Lambda's context."""

    function_name: str = "shop"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:shop"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 3000


class InMemory(BasePersistenceLayer):
    """A store of idempotency records."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: dict[str, DataRecord] = {}

    def _get_record(self, idempotency_key: str) -> DataRecord:
        return self.records[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        del self.records[data_record.idempotency_key]


def traced(handler: Function) -> Function:
    decorated: Function = Tracer(service="shop", disabled=True, auto_patch=False).capture_lambda_handler(handler)
    return decorated


def logged(handler: Function) -> Function:
    decorated: Function = Logger(service="shop").inject_lambda_context(log_event=False)(handler)
    return decorated


def measured(handler: Function) -> Function:
    metrics = Metrics(namespace="shop", service="shop")
    metrics.add_metric(name="orders", unit=MetricUnit.Count, value=1)
    decorated: Function = metrics.log_metrics(capture_cold_start_metric=True)(handler)
    return decorated


def in_a_function(handler: Function) -> Function:
    def function(event: Event, context: Any) -> Event:
        return handler(event, context)

    return function


def done_once(handler: Function) -> Function:
    config = IdempotencyConfig()
    decorated: Function = idempotent(persistence_store=InMemory(), config=config)(in_a_function(handler))
    return decorated


def with_a_middleware(handler: Function) -> Function:
    @lambda_handler_decorator
    def middleware(handler: Function, event: Event, context: Any) -> Event:
        return handler(event, context)

    decorated: Function = middleware(in_a_function(handler))
    return decorated


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"fine"]


@pytest.fixture(params=["bridge", "wsgi", "handler", "proxy"])
def handler(request: pytest.FixtureRequest) -> Iterator[Handler]:
    with ExitStack() as running:
        if request.param == "proxy":
            server = running.enter_context(BackgroundServer(APP))
            made: Handler = Proxy(url=f"http://127.0.0.1:{server.port}")
        elif request.param == "handler":
            made = Handler(InProcessTransport(APP))
        else:
            made = Bridge(APP if request.param == "bridge" else wsgi_app)
        running.callback(made.close)
        yield made


@pytest.mark.parametrize("decorate", [traced, logged, measured, done_once, with_a_middleware])
def test_a_decorated_handler_answers(
    make_event: Callable[..., Event], handler: Handler, decorate: Callable[[Function], Function]
) -> None:
    answer = decorate(handler)(make_event(), Context())
    assert (answer["statusCode"], answer["body"]) == (200, "fine")
    json.dumps(answer)
