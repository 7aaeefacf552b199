"""OpenTelemetry with its own SDK, which sends to a collector: the spans, their parents, and when they arrive."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrumentation.collectors import HTTPCollector, Span
from tests.integration.instrumentation.conftest import StartDocumented, documented

Event = dict[str, Any]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"host": "shop.example", "traceparent": f"00-{TRACE}-{CALLER}-01"}

# A streamed response whose parts are sent in a span of the application's own.
SHOP = """
from opentelemetry import trace

async def app(scope, receive, send):
    assert scope["type"] == "http"
    with trace.get_tracer("shop").start_as_current_span("stock"):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"fi", "more_body": True})
    await send({"type": "http.response.body", "body": b"ne"})
"""


@pytest.fixture
def start(collector: HTTPCollector, start_documented: StartDocumented) -> StartDocumented:
    address = f"http://{collector.address}"

    def start(code: str, shop: str, runtime: str, **environ: str) -> Any:
        return start_documented(code, shop, runtime, OTEL_EXPORTER_OTLP_ENDPOINT=address, **environ)

    return start


def named(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


@pytest.mark.parametrize("environ", [{}, {"AWS_LWA_INVOKE_MODE": "response_stream"}], ids=["buffered", "streamed"])
def test_spans_of_the_middleware_have_the_clients_trace_and_arrive_before_the_freeze(
    start: StartDocumented,
    collector: HTTPCollector,
    make_event: Callable[..., Event],
    runtime: str,
    environ: dict[str, str],
) -> None:
    function = start(*documented("OpenTelemetry in the application"), SHOP, runtime, **environ)
    for _ in range(2):
        answer = function(make_event(headers=HEADERS))
        assert answer == "fine" if environ and runtime != "awslambdaric" else answer["body"] == "fine"
        spans = collector.take_spans()
        server, stock = named(spans, "GET /"), named(spans, "stock")
        assert (server.kind, server.trace_id, server.parent) == ("SERVER", TRACE, CALLER)
        assert (stock.trace_id, stock.parent) == (TRACE, server.id)


def test_the_span_of_the_lambda_instrumentor_is_the_parent_of_the_applications(
    start: StartDocumented, collector: HTTPCollector, make_event: Callable[..., Event], runtime: str
) -> None:
    function = start(*documented("OpenTelemetry around the handler"), SHOP, runtime)
    for _ in range(2):
        assert function(make_event(headers=HEADERS))["body"] == "fine"
        spans = collector.take_spans()
        outer, server, stock = named(spans, "shop"), named(spans, "GET /"), named(spans, "stock")
        assert (outer.kind, outer.trace_id, outer.parent) == ("SERVER", TRACE, CALLER)
        assert outer.attributes["http.status_code"] == 200
        assert (server.parent, stock.parent) == (outer.id, server.id)


SET_UP = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bridge import Bridge
from shop import app

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
"""
FLUSHED = """
bridge = Bridge(app)

def handler(event, context):
    try:
        return bridge(event, context)
    finally:
        provider.force_flush()
"""
FLASK = """
from flask import Flask
from opentelemetry import trace

app = Flask("shop")

@app.get("/orders/<order>")
def order(order):
    with trace.get_tracer("shop").start_as_current_span("stock"):
        return "fine"
"""
STARLETTE = """
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def order(request):  # in a thread
    with trace.get_tracer("shop").start_as_current_span("stock"):
        return PlainTextResponse("fine")

app = Starlette(routes=[Route("/orders/{order}", order)])
"""


@pytest.mark.parametrize("runtime", ["awslambdaric", "runtime"])
@pytest.mark.parametrize(
    ("framework", "shop", "route"),
    [("flask", FLASK, "/orders/<order>"), ("starlette", STARLETTE, "/orders/{order}")],
    ids=["flask", "starlette"],
)
def test_spans_of_a_framework_have_the_route_and_the_clients_trace(
    start: StartDocumented,
    collector: HTTPCollector,
    make_event: Callable[..., Event],
    runtime: str,
    framework: str,
    shop: str,
    route: str,
) -> None:
    instrumentor = f"{framework.title()}Instrumentor"
    instrument = (
        f"from opentelemetry.instrumentation.{framework} import {instrumentor}\n{instrumentor}().instrument_app(app)"
    )
    function = start(f"{SET_UP}\n{instrument}\n{FLUSHED}", shop, runtime)
    for _ in range(2):
        assert function(make_event(path="/orders/7", headers=HEADERS))["body"] == "fine"
        spans = collector.take_spans()
        server, stock = named(spans, f"GET {route}"), named(spans, "stock")
        assert (server.kind, server.trace_id, server.parent) == ("SERVER", TRACE, CALLER)
        assert (stock.trace_id, stock.parent) == (TRACE, server.id)
