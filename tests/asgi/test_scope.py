"""The connection scope that the transport makes of an httpx request."""

from typing import Any

from bridge._httpx import httpx
from bridge.asgi.scope import build_scope
from bridge.sources import EventRequest, make_request
from tests.cases import every_case


def scope_of(url: str, *, method: str = "GET", headers: Any = None, extensions: Any = None) -> dict[str, Any]:
    request = httpx.Request(method, url, headers=headers, extensions=extensions)
    return build_scope(request, root_path="", client=("127.0.0.1", 123))


def test_a_request_becomes_a_whole_scope() -> None:
    request = httpx.Request(
        "POST",
        "https://example.org:8443/caf%C3%A9/a%2Fb?x=1&y=%20&z",
        headers=[("X-Twice", "1"), ("X-Twice", "2"), ("Content-Type", "text/plain")],
        content=b"body",
    )
    assert build_scope(request, root_path="/mounted", client=("192.0.2.7", 4711)) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/caf\u00e9/a/b",
        "raw_path": b"/caf%C3%A9/a%2Fb",
        "query_string": b"x=1&y=%20&z",
        "root_path": "/mounted",
        "headers": [
            (b"host", b"example.org:8443"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"content-type", b"text/plain"),
            (b"content-length", b"4"),
        ],
        "client": ("192.0.2.7", 4711),
        "server": ("example.org", 8443),
    }


def test_what_a_url_leaves_out_and_a_client_that_is_unknown() -> None:
    scope = build_scope(httpx.Request("GET", "http://app.test"), root_path="", client=None)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/", b"/", b"")
    assert (scope["client"], scope["server"]) == (None, ("app.test", None))


def test_the_target_extension_is_the_request_target_byte_for_byte() -> None:
    scope = scope_of("http://app.test/other", extensions={"target": b"/a%2fb/%7e//../c?q=%2f?&r"})
    assert scope["raw_path"] == b"/a%2fb/%7e//../c"
    assert scope["path"] == "/a/b/~//../c"
    assert scope["query_string"] == b"q=%2f?&r"


def test_a_target_that_is_not_utf8_once_decoded_still_makes_a_path() -> None:
    scope = scope_of("http://app.test/", extensions={"target": b"/%ff\xff?\xff"})
    assert scope["raw_path"] == b"/%ff\xff"
    assert scope["path"] == "/\ufffd\ufffd"
    assert scope["query_string"] == b"\xff"


def test_the_asgi_extension_goes_over_every_entry_made_from_the_request() -> None:
    context = object()
    entries = {
        "http_version": "2",
        "client": ("203.0.113.9", 0),
        "server": ("front.example", 443),
        "scheme": "https",
        "root_path": "/v1",
        "state": {"db": 1},
        "aws.context": context,
    }
    scope = scope_of("http://app.test/v1/x", extensions={"asgi": entries})
    assert scope == scope_of("http://app.test/v1/x") | entries
    assert scope["aws.context"] is context


@every_case("extensions", [None, {}, {"asgi": {}}, {"asgi": None}, {"target": b""}, {"timeout": {"read": 5.0}}])
def test_empty_and_foreign_extensions_change_nothing(extensions: Any) -> None:
    assert scope_of("http://app.test/x?y", extensions=extensions) == scope_of("http://app.test/x?y")


def test_the_asgi_extension_itself_stays_as_it_was() -> None:
    entries: dict[str, Any] = {"state": {}}
    scope = scope_of("http://app.test/", extensions={"asgi": entries})
    scope["added.by.the.application"] = True
    assert entries == {"state": {}}


def decoded() -> EventRequest:
    headers = [(b"host", b"example.org"), (b"x-twice", b"1"), (b"x-twice", b"2")]
    return make_request(method="POST", path="/a/b", query_string="x=1", headers=headers, body=b"body")


def scope_of_decoded(request: httpx.Request) -> dict[str, Any]:
    return build_scope(request, root_path="/ignored", client=("127.0.0.1", 123))


def test_a_decoded_request_that_nobody_changed_brings_its_scope_as_it_is() -> None:
    request = decoded()
    _ = request.url, request.stream, request.content
    assert scope_of_decoded(request) is request.extensions["asgi"]


def test_what_is_changed_of_a_decoded_request_reaches_the_scope() -> None:
    request = decoded()
    request.method = "PUT"
    request.headers["X-User"] = "ada"
    del request.headers["x-twice"]
    headers = [(b"host", b"example.org"), (b"content-length", b"4"), (b"x-user", b"ada")]
    assert scope_of_decoded(request) == decoded().extensions["asgi"] | {"method": "PUT", "headers": headers}


def test_httpxs_own_auth_reaches_the_scope_of_a_decoded_request() -> None:
    request = next(httpx.BasicAuth("ada", "pw").auth_flow(decoded()))
    headers = [*decoded().raw_headers, (b"authorization", b"Basic YWRhOnB3")]
    assert scope_of_decoded(request) == decoded().extensions["asgi"] | {"headers": headers}


def test_a_request_that_borrows_a_whole_scope_has_its_own_method_and_headers_in_it() -> None:
    extensions = decoded().extensions
    request = httpx.Request("DELETE", "https://other.example/", headers={"X-A": "1"}, extensions=extensions)
    headers = [(b"host", b"other.example"), (b"x-a", b"1")]
    assert scope_of_decoded(request) == extensions["asgi"] | {"method": "DELETE", "headers": headers}
