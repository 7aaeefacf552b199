"""Starlette's middleware with one gateway, compared with the same under uvicorn."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.cases import every_case

from .gateways import GATEWAYS, HOST, STAGED, Gateway
from .middleware_app import LONG_TEXT, make_app
from .peers import Framework, Peers, Site

GZIP = {"accept-encoding": "gzip"}


def make_any_app(files: Path, journal: list[str]) -> Starlette:
    del files, journal
    return make_app([HOST])


MIDDLEWARE = Framework("starlette-middleware", make_any_app)


@pytest.fixture
def site(peers: Peers) -> Site:
    return Site(MIDDLEWARE, STAGED, peers)


def test_a_body_is_compressed_for_a_client_that_asks(site: Site) -> None:
    for path, text in (("/long", LONG_TEXT), ("/long-stream", LONG_TEXT * 2)):
        response = site.ask("GET", path, headers=GZIP)
        assert (response.headers["content-encoding"], response.text) == ("gzip", text)
    response = site.ask("GET", "/long")
    assert ("content-encoding" in response.headers, response.text) == (False, LONG_TEXT)


def test_middleware_around_the_view_sees_the_client_s_path_and_reads_the_body_before_it(site: Site) -> None:
    response = site.ask("POST", "/size", content=b"abc")
    assert response.headers["x-stamp"] == f"{site.gateway.service.stage}/size"
    assert response.json() == {"size": 3, "again": 3}


@every_case("gateway", GATEWAYS)
def test_every_gateway_says_https_and_carries_a_compressed_body(gateway: Gateway, peers: Peers) -> None:
    """HTTPSRedirectMiddleware would redirect for ever if the scheme were http."""
    response = Site(MIDDLEWARE, gateway, peers).ask("GET", "/long", headers=GZIP)
    assert (response.status_code, response.text) == (200, LONG_TEXT)


def test_a_host_that_middleware_refuses_is_a_400(site: Site) -> None:
    assert site.ask("POST", "/size", headers={"host": "evil.example"}).status_code == 400
