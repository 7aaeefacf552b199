"""The environ of a request, as a WSGI application gets it."""

import sys
from typing import Any
from wsgiref.util import FileWrapper

from bridge._types import HeaderPairs
from bridge.wsgi.environ import build_environ
from tests.cases import every_case


def scope_of(**entries: Any) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
        "server": ("shop.test", 443),
    }
    return scope | entries


def test_the_whole_environ_of_a_request() -> None:
    headers = [
        (b"host", b"shop.test"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"4"),
        (b"x-caf\xe9", b"\xff"),
        (b"accept", b"a"),
        (b"accept", b"b"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"transfer-encoding", b"chunked"),
    ]
    event, context = {"rawPath": "/prod/a b"}, object()
    scope = scope_of(
        method="POST",
        http_version="2",
        root_path="/prod",
        raw_path=b"/prod/caf%C3%A9%2Fx",
        query_string=b"a=%20&b=\xff",
        headers=headers,
        client=("192.0.2.1", 4711),
        **{"aws.event": event, "aws.context": context},
    )
    environ = build_environ(scope, b"body")
    assert environ.pop("wsgi.input").read() == b"body"
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/prod",
        "PATH_INFO": "/caf\u00c3\u00a9/x",
        "QUERY_STRING": "a=%20&b=\u00ff",
        "RAW_URI": "/prod/caf%C3%A9%2Fx?a=%20&b=\u00ff",
        "REQUEST_URI": "/prod/caf%C3%A9%2Fx?a=%20&b=\u00ff",
        "SERVER_NAME": "shop.test",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/2",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4711",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "HTTP_HOST": "shop.test",
        "HTTP_X_CAF\u00c9": "\u00ff",
        "HTTP_ACCEPT": "a, b",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "aws.event": event,
        "aws.context": context,
    }
    assert environ["aws.context"] is context
    assert {type(value) for key, value in environ.items() if key.isupper()} == {str}


# The root path, the path as the client sent it, and what becomes of them.
PLACES = [
    ("", b"/", "", "/"),
    ("", b"/a//b/", "", "/a//b/"),
    ("", b"/%2e%2e/%25", "", "/../%"),
    ("/prod", b"/prod/", "/prod", "/"),
    ("/prod", b"/prod", "/prod", ""),
    ("/prod", b"/production/x", "/prod", "/production/x"),
    ("/prod", b"/orders", "/prod", "/orders"),
    ("/prod/", b"/prod/a", "/prod", "/a"),
    ("/a b", b"/a%20b/c", "/a b", "/c"),
    ("/a%20b", b"/a%20b/c", "/a b", "/c"),
    ("/caf\u00e9", b"/caf%C3%A9/c", "/caf\u00c3\u00a9", "/c"),
]


@every_case(
    ("event", "user"),
    [
        ({"requestContext": {"authorizer": {"principalId": "m\u00fcller"}}}, "m\u00c3\u00bcller"),
        ({"requestContext": {"authorizer": {"principalId": ""}}}, None),
        ({"requestContext": {"authorizer": {"principalId": 7}}}, None),
        ({"requestContext": {"authorizer": None}}, None),
        ({"requestContext": "authorizer"}, None),
        ({}, None),
        (["requestContext"], None),
    ],
)
def test_the_user_is_the_one_that_the_authorizer_names(event: object, user: str | None) -> None:
    headers = [(b"remote-user", b"admin"), (b"remote_user", b"admin")]
    environ = build_environ(scope_of(headers=headers, **{"aws.event": event}), b"")
    assert environ.get("REMOTE_USER") == user


def test_a_scope_without_an_event_has_no_user() -> None:
    assert "REMOTE_USER" not in build_environ(scope_of(), b"")


@every_case(("root_path", "raw_path", "script_name", "path_info"), PLACES)
def test_the_path_is_divided_at_the_root_path(
    root_path: str, raw_path: bytes, script_name: str, path_info: str
) -> None:
    environ = build_environ(scope_of(root_path=root_path, raw_path=raw_path), b"")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)
    assert environ["RAW_URI"] == raw_path.decode()


# Headers that must not be taken for others, and the lengths that the body really has.
HEADERS: list[tuple[HeaderPairs, bytes, dict[str, str]]] = [
    ([(b"x_forwarded_for", b"forged"), (b"x-forwarded-for", b"192.0.2.1")], b"", {"HTTP_X_FORWARDED_FOR": "192.0.2.1"}),
    ([(b"content_length", b"9"), (b"content_type", b"a/b"), (b"_", b"")], b"", {}),
    ([(b"content-type", b"a/b"), (b"content-type", b"c/d")], b"", {"CONTENT_TYPE": "a/b"}),
    ([], b"body", {"CONTENT_LENGTH": "4"}),
    ([(b"content-length", b"0")], b"", {"CONTENT_LENGTH": "0"}),
    ([(b"content-length", b"99")], b"body", {"CONTENT_LENGTH": "4"}),
    ([(b"wsgi.input", b"x"), (b"x.y", b"z")], b"", {"HTTP_WSGI.INPUT": "x", "HTTP_X.Y": "z"}),
]


@every_case(("headers", "body", "expected"), HEADERS)
def test_a_header_stands_for_itself_alone(headers: HeaderPairs, body: bytes, expected: dict[str, str]) -> None:
    environ = build_environ(scope_of(headers=headers), body)
    assert {key: environ[key] for key in environ if key.startswith(("HTTP_", "CONTENT_"))} == expected


def test_the_server_has_a_name_and_a_port_in_any_case() -> None:
    for server, scheme, expected in (
        (None, "https", ("localhost", "443")),
        (("a", None), "http", ("a", "80")),
        (("a", 8080), "http", ("a", "8080")),
    ):
        environ = build_environ(scope_of(server=server, scheme=scheme), b"")
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == expected


def test_it_tells_who_else_calls_the_application() -> None:
    environ = build_environ(scope_of(), b"", is_concurrent=True, has_siblings=True)
    assert (environ["wsgi.multithread"], environ["wsgi.multiprocess"]) == (True, True)
