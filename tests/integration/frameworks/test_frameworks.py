"""The same application in five frameworks with one gateway, and each framework once with every gateway.

`site.ask` compares each response with uvicorn's for the same request; the tests assert what both responses must have.
"""

import logging
from hashlib import sha256
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cases import every_case

from .events import GATEWAYS, Gateway
from .peers import Framework, Peers, Site

PNG = bytes(range(256))


@every_case("gateway", GATEWAYS)
def test_every_gateway_gives_the_client_what_uvicorn_does(framework: Framework, peers: Peers, gateway: Gateway) -> None:
    site = Site(framework, gateway, peers)
    link = {"url": site.url("/url?a=1"), "link": site.url("/items/tea")}
    assert site.ask("GET", "/url?a=1").json() == link
    assert site.ask("GET", "/cookies", headers={"cookie": "a=1; b=2"}).json() == {"cookies": {"a": "1", "b": "2"}}
    binary = {"content-type": "application/octet-stream"}
    assert site.ask("POST", "/echo", content=PNG, headers=binary).content == PNG
    assert site.ask("GET", "/stream").text == "part 0\npart 1\npart 2\n"


def test_a_load_balancer_without_multi_value_headers_passes_the_last_query_value(
    framework: Framework, peers: Peers
) -> None:
    (gateway,) = (gateway for gateway in GATEWAYS if gateway.drops_query)
    response = Site(framework, gateway, peers).ask_bridge("GET", "/query?tag=b&tag=a%2Cc&tag=b")
    assert response.json() == {"pairs": [["tag", "b"]]}


@every_case(
    ("path", "name"),
    [
        ("/items/tea", "tea"),
        ("/items/caf%C3%A9", "café"),
        ("/items/%E8%8C%B6", "茶"),
        ("/items/green%20tea", "green tea"),
        ("/items/green+tea", "green+tea"),
        ("/items/a;b=c,d@e:f", "a;b=c,d@e:f"),
        ("/items/100%25", "100%"),
        ("/items/100%2525", "100%25"),
    ],
)
def test_a_path_parameter_arrives_decoded_once(site: Site, path: str, name: str) -> None:
    response = site.ask("GET", path)
    assert response.status_code == 200
    assert response.json() == {"name": name}


@every_case(
    ("path", "rest"),
    [("/tree/a/b/c", "a/b/c"), ("/tree/a%2Fb/c", "a/b/c"), ("/tree/%C3%BC/x%20y", "ü/x y")],
)
def test_a_path_parameter_may_hold_the_rest_of_the_path(site: Site, path: str, rest: str) -> None:
    assert site.ask("GET", path).json() == {"rest": rest}


def test_an_encoded_slash_routes_like_a_slash(site: Site) -> None:
    """ASGI's `path` is decoded, and frameworks route by it."""
    assert site.ask("GET", "/items/a%2Fb").status_code == 404


def test_a_route_that_is_not_there_is_404(site: Site) -> None:
    assert site.ask("GET", "/nowhere").status_code == 404


def test_a_method_that_a_route_does_not_have_is_405(site: Site) -> None:
    # Django's plain views take every method.
    assert site.ask("DELETE", "/query").status_code == (200 if site.framework.name == "django" else 405)


def test_a_head_request_has_the_headers_of_a_get_and_no_body(site: Site) -> None:
    # FastAPI and Litestar give a GET route no HEAD.
    response = site.ask("HEAD", "/items/tea")
    assert response.status_code == (405 if site.framework.name in ("fastapi", "litestar") else 200)
    assert response.content == b""


@every_case(
    ("query", "pairs"),
    [
        ("a=1&b=2", [["a", "1"], ["b", "2"]]),
        ("q=caf%C3%A9+%26+tea%2Bcake", [["q", "café & tea+cake"]]),
        ("caf%C3%A9=1", [["café", "1"]]),
        ("empty=", [["empty", ""]]),
        ("date=2099-10-21T07%3A28%3A00%2B02%3A00", [["date", "2099-10-21T07:28:00+02:00"]]),
    ],
)
def test_a_query_arrives_decoded_once(site: Site, query: str, pairs: list[list[str]]) -> None:
    assert site.ask("GET", f"/query?{query}").json() == {"pairs": pairs}


def test_repeated_query_keys_arrive_in_order(site: Site) -> None:
    response = site.ask("GET", "/query?tag=b&tag=a%2Cc&tag=b")
    assert response.json() == {"pairs": [["tag", "b"], ["tag", "a,c"], ["tag", "b"]]}


def test_an_urlencoded_form_arrives_with_its_repeats(site: Site) -> None:
    response = site.ask("POST", "/form", data={"name": "Zoë & co", "tag": ["b", "a+c"], "note": "x\r\ny"})
    assert response.json() == {"pairs": [["name", "Zoë & co"], ["tag", "b"], ["tag", "a+c"], ["note", "x\r\ny"]]}


def test_an_uploaded_file_arrives_to_the_byte(site: Site) -> None:
    content = PNG * 5000  # More than 1 MB, which frameworks move to disk.
    files = {"file": ("bild-äöü.png", content, "image/png")}
    response = site.ask("POST", "/upload", data={"title": "Grüße"}, files=files)
    assert response.json() == {
        "title": "Grüße",
        "filename": "bild-äöü.png",
        "type": "image/png",
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
    }


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
    headers = {"accept": "text/html,*/*;q=0.8", "x-shop": "Grüße", "x-empty": ""}
    response = site.ask("GET", "/seen", headers={name: value.encode("latin-1") for name, value in headers.items()})
    seen = response.json()
    assert (seen["client"], seen["scheme"]) == ("203.0.113.7", "https")
    assert dict(seen["headers"]) == {
        **headers,
        "host": site.gateway.host,
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }


def test_cookies_arrive_and_two_are_set_each_whole(site: Site) -> None:
    response = site.ask("GET", "/cookies", headers={"cookie": "a=1; b=x=y"})
    assert response.json() == {"cookies": {"a": "1", "b": "x=y"}}
    set_cookies = response.headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    theme, visit = (SimpleCookie(value) for value in sorted(set_cookies))
    assert (theme["theme"].value, theme["theme"]["expires"]) == ("dark", "Wed, 21 Oct 2099 07:28:00 GMT")
    assert (visit["visit"].value, visit["visit"]["httponly"]) == ("1", True)


def test_the_application_s_own_urls_are_the_client_s(site: Site) -> None:
    response = site.ask("GET", "/url?a=1")
    assert response.json() == {"url": site.url("/url?a=1"), "link": site.url("/items/tea")}


def test_a_redirect_leads_to_where_the_client_can_go(site: Site) -> None:
    response = site.ask("GET", "/moved")
    assert (response.status_code, response.headers["location"]) == (302, site.url("/items/tea"))


def test_a_redirect_to_the_path_with_a_slash_stays_in_the_stage(site: Site) -> None:
    response = site.ask("GET", "/slashed")
    if site.framework.name == "litestar":  # which takes both
        assert response.json() == {"slashed": True}
        return
    assert response.status_code in (301, 307, 308)
    # Django's has no host: relative to the request, it is the same.
    location = httpx.URL(site.url("/slashed")).join(response.headers["location"])
    assert str(location) == site.url("/slashed/")


def test_a_streamed_body_arrives_whole(site: Site) -> None:
    response = site.ask("GET", "/stream")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "part 0\npart 1\npart 2\n"


@every_case(("name", "content_type"), [("logo.png", "image/png"), ("style.css", "text/css")])
def test_a_static_file_arrives_to_the_byte(site: Site, files: Path, name: str, content_type: str) -> None:
    response = site.ask("GET", f"/static/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == content_type
    assert response.content == (files / name).read_bytes()


def test_a_static_file_answers_head_with_its_length(site: Site, files: Path) -> None:
    response = site.ask("HEAD", "/static/logo.png")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str((files / "logo.png").stat().st_size)


def test_a_static_file_that_the_client_has_is_304(site: Site) -> None:
    """By ETag, or by date where the framework knows no other way; Litestar knows neither."""
    first = site.ask("GET", "/static/logo.png")
    if etag := first.headers.get("etag"):
        again = site.ask("GET", "/static/logo.png", headers={"if-none-match": etag})
    else:
        again = site.ask("GET", "/static/logo.png", headers={"if-modified-since": first.headers["last-modified"]})
    if site.framework.name == "litestar":
        assert (again.status_code, again.content) == (200, first.content)
    else:
        assert (again.status_code, again.content) == (304, b"")


def test_a_range_of_a_static_file_is_206(site: Site, files: Path) -> None:
    response = site.ask("GET", "/static/logo.png", headers={"range": "bytes=250-259"})
    whole = (files / "logo.png").read_bytes()
    if site.framework.name in ("django", "litestar"):  # which know no ranges
        assert (response.status_code, response.content) == (200, whole)
        return
    assert (response.status_code, response.content) == (206, whole[250:260])
    assert response.headers["content-range"] == f"bytes 250-259/{len(whole)}"


def test_a_file_outside_of_the_static_directory_is_refused(site: Site) -> None:
    response = site.ask("GET", "/static/..%2F..%2Fetc%2Fpasswd")
    assert response.status_code == (400 if site.framework.name == "django" else 404)


def test_the_framework_s_own_exception_becomes_its_own_response(site: Site) -> None:
    response = site.ask("GET", "/teapot")
    assert response.status_code == (403 if site.framework.name == "django" else 418)
    if site.framework.name in ("starlette", "fastapi", "litestar"):
        assert response.headers["x-handle"] == "here"


def test_an_unhandled_exception_is_the_framework_s_500_and_tells_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = site.ask("GET", "/boom")
    assert response.status_code == 500
    assert b"RuntimeError" not in response.content
    # The next request is none the worse for it.
    assert site.ask("GET", "/items/tea").json() == {"name": "tea"}


def test_startup_is_run_once_and_its_state_reaches_every_request(site: Site) -> None:
    if not site.framework.has_lifespan:
        assert site.ask("GET", "/state").status_code == 404
        return
    for _ in range(3):
        assert site.ask("GET", "/state").json() == {"starts": 1, "greeting": "hello"}


def test_the_bridge_s_links_have_the_host_that_the_client_used(site: Site) -> None:
    """The event's domain is different if the user has a proxy: Host is what the client asked for."""
    response = site.ask("GET", "/url", headers={"host": "www.example.com:8443"})
    assert urlsplit(response.json()["link"]).netloc == "www.example.com:8443"
