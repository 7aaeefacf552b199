"""AWS X-Ray's SDK: the documents that its daemon gets."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.instrumentation.collectors import HTTPCollector, XRayDaemon
from tests.integration.instrumentation.conftest import StartDocumented, documented

Event = dict[str, Any]

SHOP = """
import os

import httpx
from aws_xray_sdk.core import xray_recorder

async def app(scope, receive, send):
    assert scope["type"] == "http"
    with xray_recorder.in_subsegment("stock"):
        async with httpx.AsyncClient() as client:
            await client.post(os.environ["STOCK"])
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

WSGI_SHOP = """
import os

import httpx
from aws_xray_sdk.core import xray_recorder

def app(environ, start_response):
    with xray_recorder.in_subsegment("stock"):
        httpx.post(os.environ["STOCK"])
    start_response("200 OK", [])
    return [b"fine"]
"""


@pytest.mark.parametrize("shop", [SHOP, WSGI_SHOP], ids=["asgi", "wsgi"])
@pytest.mark.parametrize("runtime", ["awslambdaric", "runtime"])
def test_subsegments_belong_to_the_segment_of_their_invocation(
    start_documented: StartDocumented,
    daemon: XRayDaemon,
    collector: HTTPCollector,
    make_event: Callable[..., Event],
    runtime: str,
    shop: str,
) -> None:
    address = f"http://{collector.address}/stock"
    function = start_documented(
        *documented("AWS X-Ray"), shop, runtime, AWS_XRAY_DAEMON_ADDRESS=daemon.address, STOCK=address
    )
    for number in (1, 2):
        trace, segment = f"1-5759e988-bd862e3fe1be46a99427279{number}", f"53995c3f42cd8ad{number}"
        function(make_event(), f"Root={trace};Parent={segment};Sampled=1")
        request, stock = daemon.take()  # in the order in which they end
        assert (stock["name"], stock["trace_id"], stock["parent_id"]) == ("stock", trace, segment)
        assert (request["trace_id"], request["parent_id"]) == (trace, stock["id"])
        assert request["http"]["request"] == {"method": "POST", "url": address}
    function(make_event(), "Root=1-5759e988-bd862e3fe1be46a994272799;Parent=53995c3f42cd8ad9;Sampled=0")
    assert daemon.take() == []
