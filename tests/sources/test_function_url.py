from tests.cases import every_case
from tests.events import MISSING, load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer, expected_scope, scope_of

HOST = b"abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"


def test_the_base_event_gives_the_whole_scope() -> None:
    event = load("function_url")
    app = Answer()
    answer(event, app)
    assert app.body == b'{"qty": 2}'
    app.scope["headers"] = sorted(app.scope["headers"])  # the position of the cookie does not matter
    assert app.scope == expected_scope(
        event,
        headers=[
            (b"accept", b"application/json,text/html"),
            (b"content-length", b"10"),
            (b"content-type", b"application/json"),
            (b"cookie", b"session=abc; theme=dark"),
            (b"host", HOST),
            (b"x-amzn-trace-id", b"Root=1-65a1b2c3-0123456789abcdef01234567"),
            (b"x-forwarded-for", b"203.0.113.9"),
            (b"x-forwarded-port", b"443"),
            (b"x-forwarded-proto", b"https"),
        ],
        client=("203.0.113.9", 0),
        server=(HOST.decode(), 443),
    )


def test_the_whole_result_has_joined_headers_and_cookies_apart() -> None:
    assert answer(load("function_url"), Answer(**JSON_RESPONSE)) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "content-length": "9", "vary": "accept, cookie"},
        "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


@every_case(
    ("sent", "path", "raw_path"),
    [
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
        ("/100%2525", "/100%25", b"/100%2525"),
        ("/a%20b+c", "/a b+c", b"/a%20b+c"),
        ("/100%", "/100%", b"/100%"),
        ("/%FF", "/\ufffd", b"/%FF"),
        ("//a//", "//a//", b"//a//"),
        ("/\u00e9", "/\u00e9", b"/%C3%A9"),
        ("", "/", b"/"),
    ],
)
def test_the_path_is_unquoted_once(sent: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(load("function_url", rawPath=sent))
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@every_case("query", ["a=1&a=2", "a&b=", "q=%2B+%20&r=%FF", "a=b=c", "?", ""])
def test_the_query_string_is_verbatim(query: str) -> None:
    assert scope_of(load("function_url", rawQueryString=query))["query_string"] == query.encode()


@every_case("cookies", [[], None, MISSING])
def test_without_a_cookie_list_the_header_stays(cookies: object) -> None:
    headers = dict(scope_of(load("function_url", cookies=cookies, headers__cookie="a=1; b=2"))["headers"])
    assert headers[b"cookie"] == b"a=1; b=2"


@every_case("name", ["cookie", "Cookie"])
def test_the_cookie_list_replaces_the_header(name: str) -> None:
    event = load("function_url", cookies=["a=1", "b=2"], headers={name: "c=3", "x": "y"}, body=None)
    assert sorted(scope_of(event)["headers"]) == [(b"cookie", b"a=1; b=2"), (b"x", b"y")]


def test_a_stage_in_front_of_the_path_is_no_root_path() -> None:
    scope = scope_of(load("function_url", rawPath="/$default/x"))
    assert (scope["root_path"], scope["path"]) == ("", "/$default/x")


@every_case(
    ("protocol", "version"),
    [("HTTP/1.0", "1.0"), ("HTTP/1.1", "1.1"), ("HTTP/2.0", "2"), ("HTTP/3", "3"), ("?", "1.1"), (None, "1.1")],
)
def test_the_http_version_is_the_request_contexts(protocol: str | None, version: str) -> None:
    assert scope_of(load("function_url", requestContext__http__protocol=protocol))["http_version"] == version
