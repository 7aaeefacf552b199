"""Starlette's middleware with one gateway, compared with the same under uvicorn."""

import gzip
from base64 import b64decode
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.cases import every_case

from .events import GATEWAYS, Gateway
from .middleware_app import LONG_TEXT, make_app
from .peers import Framework, Peers, Site

GZIP = {"accept-encoding": "gzip"}
ORIGIN = {"origin": "https://shop.example"}


def make_any_app(files: Path, journal: list[str]) -> Starlette:
    del files, journal
    return make_app([gateway.host for gateway in GATEWAYS])


MIDDLEWARE = Framework("starlette-middleware", make_any_app)


@pytest.fixture
def site(peers: Peers) -> Site:
    return Site(MIDDLEWARE, GATEWAYS[0], peers)


def test_a_compressed_body_decompresses_to_the_original(site: Site) -> None:
    response = site.ask("GET", "/long", headers=GZIP)
    assert response.headers["content-encoding"] == "gzip"
    assert response.text == LONG_TEXT


def test_a_compressed_stream_decompresses_to_the_original(site: Site) -> None:
    response = site.ask("GET", "/long-stream", headers=GZIP)
    assert response.headers["content-encoding"] == "gzip"
    assert response.text == LONG_TEXT * 2


def test_a_body_is_not_compressed_for_a_client_that_does_not_ask(site: Site) -> None:
    response = site.ask("GET", "/long")
    assert "content-encoding" not in response.headers
    assert response.text == LONG_TEXT


def test_a_session_lives_in_a_cookie_of_the_client(site: Site) -> None:
    # The cookie is signed with the time: only the bridge is asked.
    signed_in = site.ask_bridge("POST", "/sign-in", json={"user": "Zoë"})
    assert signed_in.json() == {"size": len('{"user":"Zoë"}'.encode())}
    (cookie,) = signed_in.headers.get_list("set-cookie")
    assert cookie.endswith("; path=/; Max-Age=1209600; httponly; samesite=lax; secure")
    response = site.ask_bridge("GET", "/who", headers={"cookie": cookie.partition(";")[0]})
    assert response.json() == {"user": "Zoë"}
    assert site.ask("GET", "/who").json() == {"user": None}


def test_a_cors_preflight_is_answered_without_the_application(site: Site) -> None:
    response = site.ask("OPTIONS", "/who", headers={**ORIGIN, "access-control-request-method": "GET"})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    assert response.headers["access-control-allow-credentials"] == "true"


def test_a_cors_request_of_a_stranger_is_not_allowed(site: Site) -> None:
    response = site.ask("GET", "/who", headers={"origin": "https://evil.example"})
    assert response.json() == {"user": None}
    assert "access-control-allow-origin" not in response.headers


def test_every_vary_reaches_the_client(site: Site) -> None:
    response = site.ask("GET", "/long", headers={**GZIP, **ORIGIN})
    names = {name.strip().lower() for name in response.headers["vary"].split(",")}
    assert names == {"accept-encoding", "origin"}


def test_middleware_around_the_view_sees_the_client_s_path(site: Site) -> None:
    assert site.ask("GET", "/who").headers["x-stamp"] == f"{site.gateway.stage}/who"


@every_case("gateway", GATEWAYS)
def test_every_gateway_says_https_and_carries_a_compressed_body(gateway: Gateway, peers: Peers) -> None:
    """HTTPSRedirectMiddleware would redirect for ever if the scheme were http."""
    response = Site(MIDDLEWARE, gateway, peers).ask("GET", "/long", headers=GZIP)
    assert (response.status_code, response.text) == (200, LONG_TEXT)


def test_a_host_that_is_not_trusted_is_400(site: Site) -> None:
    assert site.ask("GET", "/who", headers={"host": "evil.example"}).status_code == 400


def test_an_exception_below_the_middleware_is_500(site: Site) -> None:
    assert site.ask("GET", "/boom").status_code == 500


def test_a_compressed_body_is_base64_in_the_result(peers: Peers) -> None:
    gateway = GATEWAYS[0]
    request = gateway.request("GET", "/long", headers=GZIP)
    result = peers.bridged(MIDDLEWARE).handler(gateway.event(request), None)
    assert result["isBase64Encoded"] is True
    assert gzip.decompress(b64decode(result["body"])).decode() == LONG_TEXT
