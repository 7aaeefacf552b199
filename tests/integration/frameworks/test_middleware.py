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


def test_a_session_lives_in_a_cookie_of_the_client(site: Site) -> None:
    # The cookie is signed with the time: only the bridge is asked.
    signed_in = site.ask_bridge("POST", "/sign-in", json={"user": "Zoë"})
    assert signed_in.json() == {"size": len('{"user":"Zoë"}'.encode())}
    (cookie,) = signed_in.headers.get_list("set-cookie")
    assert cookie.endswith("; path=/; Max-Age=1209600; httponly; samesite=lax; secure")
    response = site.ask_bridge("GET", "/who", headers={"cookie": cookie.partition(";")[0]})
    assert response.json() == {"user": "Zoë"}
    assert site.ask("GET", "/who").json() == {"user": None}


def test_middleware_around_the_view_sees_the_client_s_path(site: Site) -> None:
    assert site.ask("GET", "/who").headers["x-stamp"] == f"{site.gateway.service.stage}/who"


@every_case("gateway", GATEWAYS)
def test_every_gateway_says_https_and_carries_a_compressed_body(gateway: Gateway, peers: Peers) -> None:
    """HTTPSRedirectMiddleware would redirect for ever if the scheme were http."""
    response = Site(MIDDLEWARE, gateway, peers).ask("GET", "/long", headers=GZIP)
    assert (response.status_code, response.text) == (200, LONG_TEXT)


def test_requests_that_middleware_or_the_view_refuses(site: Site) -> None:
    assert site.ask("GET", "/who", headers={"host": "evil.example"}).status_code == 400
    assert site.ask("GET", "/boom").status_code == 500
