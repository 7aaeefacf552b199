from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer, expected_scope, scope_of

HOST = b"abc123def4.execute-api.eu-west-1.amazonaws.com"


def test_the_base_event_gives_the_whole_scope() -> None:
    event = load("http_api_v1")
    app = Answer()
    answer(event, app)
    assert app.body == b'{"qty": 2}'
    assert app.scope == expected_scope(
        event,
        headers=[
            (b"accept", b"application/json"),
            (b"accept", b"text/html"),
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


def test_the_whole_result_has_all_headers_in_multi_value_headers() -> None:
    assert answer(load("http_api_v1"), Answer(**JSON_RESPONSE)) == {
        "statusCode": 201,
        "multiValueHeaders": {
            "content-type": ["application/json"],
            "content-length": ["9"],
            "vary": ["accept", "cookie"],
            "set-cookie": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        },
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


@every_case(
    ("sent", "path", "raw_path"),
    [
        # What a client can have sent is taken as sent.
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
        ("/caf%C3%A9", "/café", b"/caf%C3%A9"),
        ("/a+b", "/a+b", b"/a+b"),
        # What no client can have sent was decoded on the way, all of it.
        ("/a b%20c", "/a b%20c", b"/a%20b%2520c"),
        ("/100%", "/100%", b"/100%25"),
        ("/café%20", "/café%20", b"/caf%C3%A9%2520"),
        ("/a?b#c", "/a?b#c", b"/a%3Fb%23c"),
    ],
)
def test_the_path_is_unquoted_only_if_it_is_encoded(sent: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(load("http_api_v1", path=sent))
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@every_case(
    ("path", "stage", "expected"),
    [
        ("/x", "$default", ("", "/x")),
        ("/Prod/x", "Prod", ("/Prod", "/Prod/x")),
        ("/Prod", "Prod", ("/Prod", "/Prod/")),
        ("/Production", "Prod", ("", "/Production")),
        ("/x", "Prod", ("", "/x")),
        ("/None/x", None, ("", "/None/x")),
    ],
)
def test_a_named_stage_in_the_path_is_the_root_path(path: str, stage: object, expected: tuple[str, str]) -> None:
    scope = scope_of(load("http_api_v1", path=path, requestContext__stage=stage))
    assert (scope["root_path"], scope["path"]) == expected
