"""The same application in four frameworks with one gateway, and each framework once with every gateway.

`site.ask` compares each response with uvicorn's for the same request; the tests assert what both responses must have.
"""

import logging
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cases import every_case

from .gateways import CLIENT, GATEWAYS, HOST, Gateway
from .peers import Framework, Peers, Site
from .views import EXPIRES, upload_report

PNG = bytes(range(256))
BINARY = {"content-type": "application/octet-stream"}


@every_case("gateway", GATEWAYS)
def test_every_gateway_gives_the_client_what_uvicorn_does(framework: Framework, peers: Peers, gateway: Gateway) -> None:
    site = Site(framework, gateway, peers)
    link = {"url": gateway.url("/url?a=1"), "link": gateway.url("/items/tea")}
    assert site.ask("GET", "/url?a=1").json() == link
    if gateway.service.id != "lattice1":  # It keeps one of the two cookies that are set.
        assert site.ask("GET", "/cookies", headers={"cookie": "a=1; b=2"}).json() == {"cookies": {"a": "1", "b": "2"}}
    assert site.ask("POST", "/echo", content=PNG, headers=BINARY).content == PNG
    assert site.ask("GET", "/stream").text == "part 0\npart 1\npart 2\n"


@every_case(
    ("path", "expected"),
    [
        ("/items/caf%C3%A9", {"name": "café"}),
        ("/items/%E8%8C%B6", {"name": "茶"}),
        ("/items/green%20tea", {"name": "green tea"}),
        ("/items/green+tea", {"name": "green+tea"}),
        ("/items/a;b=c,d@e:f", {"name": "a;b=c,d@e:f"}),
        ("/items/100%25", {"name": "100%"}),
        ("/items/100%2525", {"name": "100%25"}),
        ("/query?q=caf%C3%A9+%26+tea%2Bcake", {"pairs": [["q", "café & tea+cake"]]}),
        ("/query?caf%C3%A9=1&empty=", {"pairs": [["café", "1"], ["empty", ""]]}),
        ("/query?tag=b&tag=a%2Cc&tag=b", {"pairs": [["tag", "b"], ["tag", "a,c"], ["tag", "b"]]}),
    ],
)
def test_path_and_query_arrive_decoded_once(site: Site, path: str, expected: dict[str, Any]) -> None:
    assert site.ask("GET", path).json() == expected


def test_what_is_not_routed_has_the_framework_s_own_status(site: Site) -> None:
    assert site.ask("GET", "/nowhere").status_code == 404
    assert site.ask("GET", "/items/a%2Fb").status_code == 404  # ASGI's `path` is decoded, and frameworks route by it


def test_forms_and_files_arrive_to_the_byte(site: Site) -> None:
    response = site.ask("POST", "/form", data={"name": "Zoë & co", "tag": ["b", "a+c"], "note": "x\r\ny"})
    assert response.json() == {"pairs": [["name", "Zoë & co"], ["tag", "b"], ["tag", "a+c"], ["note", "x\r\ny"]]}
    content = PNG * 5000  # More than 1 MB, which frameworks move to disk.
    files = {"file": ("bild-äöü.png", content, "image/png")}
    response = site.ask("POST", "/upload", data={"title": "Grüße"}, files=files)
    assert response.json() == upload_report("Grüße", "bild-äöü.png", "image/png", content)


@every_case(
    ("content_type", "body"),
    [
        ("application/octet-stream", PNG),
        ("application/json", b'{"caf\xc3\xa9": 1}'),
        ("text/plain; charset=iso-8859-1", "café".encode()),
        ("application/octet-stream", b""),
    ],
)
def test_a_body_comes_back_to_the_byte_under_its_content_type(site: Site, content_type: str, body: bytes) -> None:
    response = site.ask("POST", "/echo", content=body, headers={"content-type": content_type})
    assert (response.status_code, response.headers["content-type"], response.content) == (200, content_type, body)


def test_the_application_sees_the_client_and_its_headers(site: Site) -> None:
    # Frameworks show each byte as a character.
    headers = {"accept": "text/html,*/*;q=0.8", "x-shop": "Grüße".encode().decode("latin-1"), "x-empty": ""}
    response = site.ask("GET", "/seen", headers={name: value.encode("latin-1") for name, value in headers.items()})
    seen = response.json()
    assert (seen["client"], seen["scheme"]) == (CLIENT, "https")
    assert dict(seen["headers"]).items() >= {**headers, "host": HOST, "x-forwarded-for": CLIENT}.items()


def test_cookies_arrive_and_two_are_set_each_whole(site: Site) -> None:
    response = site.ask("GET", "/cookies", headers={"cookie": "a=1; b=x=y"})
    assert response.json() == {"cookies": {"a": "1", "b": "x=y"}}
    theme, visit = (SimpleCookie(value) for value in sorted(response.headers.get_list("set-cookie")))
    assert (theme["theme"].value, theme["theme"]["expires"]) == ("dark", EXPIRES)
    assert (visit["visit"].value, visit["visit"]["httponly"]) == ("1", True)


def test_a_redirect_leads_to_where_the_client_can_go(site: Site) -> None:
    response = site.ask("GET", "/moved")
    assert (response.status_code, response.headers["location"]) == (302, site.gateway.url("/items/tea"))
    elsewhere = site.ask("GET", "/moved", headers={"host": "www.example.com:8443"})
    assert urlsplit(elsewhere.headers["location"]).netloc == "www.example.com:8443"
    response = site.ask("GET", "/slashed")
    if site.framework.name == "litestar":  # which takes the path with and without a slash
        assert response.json() == {"slashed": True}
        return
    assert response.status_code in (301, 307, 308)
    # Django's has no host: relative to the request, it is the same.
    location = httpx.URL(site.gateway.url("/slashed")).join(response.headers["location"])
    assert str(location) == site.gateway.url("/slashed/")


def test_static_files_arrive_to_the_byte(site: Site, files: Path) -> None:
    for name, content_type in (("logo.png", "image/png"), ("style.css", "text/css")):
        response = site.ask("GET", f"/static/{name}")
        assert (response.status_code, response.content) == (200, (files / name).read_bytes())
        assert response.headers["content-type"].partition(";")[0] == content_type
    head = site.ask("HEAD", "/static/logo.png")
    assert (head.status_code, head.content) == (200, b"")
    outside = site.ask("GET", "/static/..%2F..%2Fetc%2Fpasswd")
    assert outside.status_code == (400 if site.framework.name == "django" else 404)


def test_an_exception_becomes_the_framework_s_own_response(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = site.ask("GET", "/boom")
    assert response.status_code == 500
    assert b"RuntimeError" not in response.content
    # The next request is none the worse for it.
    assert site.ask("GET", "/items/tea").json() == {"name": "tea"}
