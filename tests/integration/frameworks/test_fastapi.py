"""What FastAPI tells browsers about itself: its documentation has to work behind a stage."""

import pytest

from .conftest import FRAMEWORKS
from .events import Gateway
from .peers import Peers, Site


@pytest.fixture
def site(gateway: Gateway, peers: Peers) -> Site:
    return Site(next(framework for framework in FRAMEWORKS if framework.name == "fastapi"), gateway, peers)


def test_the_schema_names_the_stage_as_its_server(site: Site) -> None:
    schema = site.ask("GET", "/openapi.json").json()
    stage = site.gateway.stage
    assert schema["info"] == {"title": "Shop", "version": "1"}
    assert schema.get("servers") == ([{"url": stage}] if stage else None)
    assert "/items/{name}" in schema["paths"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_loads_the_schema_from_where_it_is(site: Site, path: str) -> None:
    response = site.ask("GET", path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"{site.gateway.stage}/openapi.json" in response.text


def test_a_parameter_that_is_not_valid_is_422(site: Site) -> None:
    response = site.ask("GET", "/filtered?tag=a&limit=many")
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [["query", "limit"]]


def test_a_list_of_query_values_arrives_whole(site: Site) -> None:
    tags = ["b"] if site.gateway.drops_query else ["a", "b"]
    ask = site.ask_bridge if site.gateway.drops_query else site.ask
    assert ask("GET", "/filtered?tag=a&tag=b&limit=5").json() == {"tag": tags, "limit": 5}
