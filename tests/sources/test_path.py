from typing import Any
from urllib.parse import unquote_to_bytes

from bridge import Settings
from bridge.sources._path import place
from tests.cases import every_case
from tests.events import BASES, load
from tests.sources.exchange import FIELDS, scope_of

# A REST API's event without a stage.
REST_CONTEXT = {"requestContext__path": None}


@every_case("path", ["/a b", "/100%25", "/%", "/é€😀", "/a?b#c", "/:@!$&'()*+,;=~-._", '/[]{}|\\^`"<>', "/\x00"])
def test_a_decoded_path_gets_a_target_in_ascii_that_gives_it_back(path: str) -> None:
    scope = scope_of(load("http_api_v2", rawPath=path))
    assert scope["path"] == path
    assert not set(scope["raw_path"]) & set(b" ?#\x00")
    assert unquote_to_bytes(scope["raw_path"]).decode() == path


@every_case("name", [name for name in BASES if name != "http_api_v2"])
@every_case(
    ("sent", "path", "raw_path"),
    [
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
        ("/a%252Fb", "/a%2Fb", b"/a%252Fb"),
        ("/a%20b+c/", "/a b+c/", b"/a%20b+c/"),
        ("//a//", "//a//", b"//a//"),
        ("", "/", b"/"),
        ("/100%", "/100%", b"/100%"),
        ("/%e9%zz", "/\ufffd%zz", b"/%e9%zz"),
        ('/[a]"<>', '/[a]"<>', b'/[a]"<>'),
        # No client can have sent these.
        ("/a b", "/a b", b"/a%20b"),
        ("/\u00e9#", "/\u00e9#", b"/%C3%A9%23"),
        ("/a\r\nb", "/a\r\nb", b"/a%0D%0Ab"),
        ("/\ud800", "/\ufffd", b"/%EF%BF%BD"),
        ("/\ud83d\ude00", "/\U0001f600", b"/%F0%9F%98%80"),
        # Not even a whole URL becomes another form of request-target.
        ("a/b", "/a/b", b"/a/b"),
        (" /a", "/ /a", b"/%20/a"),
        ("\\a", "/\\a", b"/\\a"),
        ("http://evil.example/a", "/http://evil.example/a", b"/http://evil.example/a"),
        ("evil.example:443", "/evil.example:443", b"/evil.example:443"),
        ("*", "/*", b"/*"),
    ],
)
def test_an_encoded_path_is_unquoted_once_and_kept_as_sent(name: str, sent: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(load(name, **{FIELDS[name]["path"]: sent, **(REST_CONTEXT if name == "rest_api" else {})}))
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@every_case(
    ("name", "key"),
    [
        ("function_url", "rawQueryString"),
        ("http_api_v2", "rawQueryString"),
        ("lambda_edge", "Records__0__cf__request__querystring"),
    ],
)
@every_case("query", ["a=1&a=2", "a&b=", "q=%2B+%20&r=%FF", "a=b=c", "?", ""])
def test_a_query_string_in_the_event_is_verbatim(name: str, key: str, query: str) -> None:
    assert scope_of(load(name, **{key: query}))["query_string"] == query.encode()


@every_case(("query", "query_string"), [("a=%2B+&b?#", b"a=%2B+&b?#"), ("a=b c", b"a=b%20c"), ("é\n", b"%C3%A9%0A")])
def test_an_encoded_query_changes_only_where_no_client_can_have_sent_it(query: str, query_string: bytes) -> None:
    assert scope_of(load("function_url", rawQueryString=query))["query_string"] == query_string


@every_case("name", ["function_url", "http_api_v2"])
def test_half_a_surrogate_pair_breaks_neither_path_nor_query(name: str) -> None:
    scope = scope_of(load(name, rawPath="/\ud800", rawQueryString="\ud800"))
    assert (scope["path"], scope["raw_path"]) == ("/\ufffd", b"/%EF%BF%BD")
    assert scope["query_string"] == b"%EF%BF%BD"


# `event`: its path, the prefix that the path includes, and the one that AWS took away.
@every_case(
    ("event", "settings", "expected"),
    [
        # Nothing but a path.
        (("/x", "", ""), {}, ("/x", "")),
        (("/x", "", ""), {"stage": "strip"}, ("/x", "")),
        (("/b/x", "", ""), {"base_path": "/b"}, ("/x", "")),
        (("/b", "", ""), {"base_path": "/b"}, ("/", "")),
        (("/b/", "", ""), {"base_path": "/b"}, ("/", "")),
        (("/bx", "", ""), {"base_path": "/b"}, ("/bx", "")),
        (("/B/x", "", ""), {"base_path": "/b"}, ("/B/x", "")),
        (("/x/b", "", ""), {"base_path": "/b"}, ("/x/b", "")),
        (("/b/b/x", "", ""), {"base_path": "/b"}, ("/b/x", "")),
        (("//b/x", "", ""), {"base_path": "/b"}, ("//b/x", "")),
        (("/b//x", "", ""), {"base_path": "/b"}, ("//x", "")),
        (("/x", "", ""), {"root_path": "/r"}, ("/r/x", "/r")),
        (("/r/x", "", ""), {"root_path": "/r"}, ("/r/x", "/r")),
        (("/rx", "", ""), {"root_path": "/r"}, ("/r/rx", "/r")),
        (("/b/x", "", ""), {"root_path": "/r", "base_path": "/b"}, ("/r/x", "/r")),
        (("/b/r/x", "", ""), {"root_path": "/r", "base_path": "/b"}, ("/r/x", "/r")),
        (("/r/b/x", "", ""), {"root_path": "/r", "base_path": "/b"}, ("/r/b/x", "/r")),
        # A stage that the path does not contain: a REST API's.
        (("/x", "", "/s"), {}, ("/s/x", "/s")),
        (("/", "", "/s"), {}, ("/s/", "/s")),
        (("//x", "", "/s"), {}, ("/s//x", "/s")),
        (("/x", "", "/s"), {"stage": "strip"}, ("/x", "")),
        (("/b/x", "", "/s"), {"base_path": "/b"}, ("/s/x", "/s")),
        (("/b/x", "", "/s"), {"base_path": "/b", "stage": "strip"}, ("/x", "")),
        (("/x", "", "/s"), {"root_path": "/r"}, ("/r/s/x", "/r/s")),
        (("/r/x", "", "/s"), {"root_path": "/r"}, ("/s/r/x", "/s/r")),
        (("/x", "", "/s"), {"root_path": "/s"}, ("/s/x", "/s")),
        (("/s/x", "", "/s"), {"root_path": "/s"}, ("/s/s/x", "/s/s")),
        (("/r/x", "", "/s"), {"root_path": "/s/r"}, ("/s/r/x", "/s/r")),
        (("/x", "", "/s"), {"root_path": "/s/r"}, ("/s/r/s/x", "/s/r/s")),
        (("/x", "", "/s"), {"root_path": "/r", "stage": "strip"}, ("/r/x", "/r")),
        (("/r/x", "", "/s"), {"root_path": "/r", "stage": "strip"}, ("/r/x", "/r")),
        (("/b/x", "", "/s"), {"root_path": "/r", "base_path": "/b"}, ("/r/s/x", "/r/s")),
        (("/b/r/x", "", "/s"), {"root_path": "/r", "base_path": "/b"}, ("/s/r/x", "/s/r")),
        (("/b/x", "", "/s"), {"root_path": "/r", "base_path": "/b", "stage": "strip"}, ("/r/x", "/r")),
        # A stage or a mapping that the path contains.
        (("/s/x", "/s", ""), {}, ("/s/x", "/s")),
        (("/s", "/s", ""), {}, ("/s/", "/s")),
        (("/s//x", "/s", ""), {}, ("/s//x", "/s")),
        (("/s/x", "/s", ""), {"stage": "strip"}, ("/x", "")),
        (("/s", "/s", ""), {"stage": "strip"}, ("/", "")),
        (("/s/x", "/s", ""), {"base_path": "/s"}, ("/x", "")),
        (("/s/s/x", "/s", ""), {"base_path": "/s"}, ("/s/x", "")),
        (("/s/s/x", "/s", ""), {"base_path": "/s", "stage": "strip"}, ("/s/x", "")),
        (("/s/b/x", "/s", ""), {"base_path": "/s/b"}, ("/x", "")),
        (("/s/b/x", "/s", ""), {"base_path": "/b"}, ("/s/x", "/s")),
        (("/s/b/x", "/s", ""), {"base_path": "/b", "stage": "strip"}, ("/x", "")),
        (("/s/x", "/s", ""), {"root_path": "/r"}, ("/r/s/x", "/r/s")),
        (("/s/r/x", "/s", ""), {"root_path": "/r"}, ("/s/r/x", "/s/r")),
        (("/r/x", "/r", ""), {"root_path": "/r"}, ("/r/x", "/r")),
        (("/r/s/x", "/r/s", ""), {"root_path": "/r"}, ("/r/s/x", "/r/s")),
        (("/s/r/x", "/s", ""), {"root_path": "/s/r"}, ("/s/r/x", "/s/r")),
        (("/s/r/x", "/s", ""), {"root_path": "/r", "stage": "strip"}, ("/r/x", "/r")),
        (("/s/s/x", "/s", ""), {"base_path": "/s", "root_path": "/r"}, ("/r/s/x", "/r")),
        (("/s/b/x", "/s", ""), {"base_path": "/b", "root_path": "/r"}, ("/r/s/x", "/r/s")),
        (("/s/b/r/x", "/s", ""), {"base_path": "/b", "root_path": "/r"}, ("/s/r/x", "/s/r")),
        (("/s/b/x", "/s", ""), {"base_path": "/b", "root_path": "/r", "stage": "strip"}, ("/r/x", "/r")),
    ],
)
def test_path_and_root_path_make_the_clients_url(
    event: tuple[str, str, str], settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    path, inside, outside = event
    assert place(path, Settings(**settings), inside=inside, outside=outside) == expected


@every_case("name", ["alb", "function_url", "http_api_v1", "http_api_v2", "vpc_lattice_v2", "rest_api"])
def test_every_source_has_the_settings_root_path_and_base_path(name: str) -> None:
    key = {"function_url": "rawPath", "http_api_v2": "rawPath"}.get(name, "path")
    event = load(name, **{key: "/api/x"})
    if name == "rest_api":
        event["requestContext"]["path"] = "/api/x"
    scope = scope_of(event, Settings(base_path="/api", root_path="/shop"))
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/shop", "/shop/x", b"/shop/x")
