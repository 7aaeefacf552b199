"""FastAPI's own documentation pages, with and without a stage, and its validation of query parameters."""

import pytest

from tests.cases import every_case

from .conftest import FRAMEWORKS
from .gateways import GATEWAYS, STAGED, Gateway
from .peers import Peers, Site

FASTAPI = next(framework for framework in FRAMEWORKS if framework.name == "fastapi")


@pytest.fixture
def site(peers: Peers) -> Site:
    return Site(FASTAPI, STAGED, peers)


@every_case("gateway", GATEWAYS)
def test_the_schema_names_the_stage_as_its_server(gateway: Gateway, peers: Peers) -> None:
    site = Site(FASTAPI, gateway, peers)
    schema = site.ask("GET", "/openapi.json").json()
    stage = gateway.service.stage
    assert schema["info"] == {"title": "Shop", "version": "1"}
    assert schema.get("servers") == ([{"url": stage}] if stage else None)
    assert "/items/{name}" in schema["paths"]


@every_case("path", ["/docs", "/redoc"])
def test_the_documentation_loads_the_schema_from_where_it_is(site: Site, path: str) -> None:
    response = site.ask("GET", path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"{site.gateway.service.stage}/openapi.json" in response.text
