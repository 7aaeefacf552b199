from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer, expected_scope, scope_of

HOST = b"shop-0123456789abcdef0.7d67968.vpc-lattice-svcs.eu-west-1.on.aws"


def test_the_base_event_gives_the_whole_scope() -> None:
    event = load("vpc_lattice_v1")
    app = Answer()
    answer(event, app)
    assert app.body == b'{"qty": 2}'
    assert app.scope == expected_scope(
        event,
        query_string=b"tag=b&q=x+y%26z",
        headers=[
            (b"accept", b"application/json,text/html"),
            (b"content-length", b"10"),
            (b"content-type", b"application/json"),
            (b"cookie", b"session=abc; theme=dark"),
            (b"host", HOST),
            (b"x-forwarded-for", b"10.0.1.9"),
        ],
        client=("10.0.1.9", 0),
        server=(HOST.decode(), 443),
    )


def test_the_whole_result_has_joined_headers_and_cookies_apart() -> None:
    assert answer(load("vpc_lattice_v1"), Answer(**JSON_RESPONSE)) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "content-length": "9", "vary": "accept, cookie"},
        "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


@every_case(
    ("sent", "path", "query_string"),
    [
        ("/a%2Fb", "/a/b", b"tag=b"),
        ("/a%20b?c=d%20e", "/a b", b"c=d%20e"),
        ("/?a=1?", "/", b"a=1?"),
        ("/a?", "/a", b"tag=b"),
        ("", "/", b"tag=b"),
    ],
)
def test_the_raw_path_may_carry_the_query(sent: str, path: str, query_string: bytes) -> None:
    scope = scope_of(load("vpc_lattice_v1", raw_path=sent, query_string_parameters={"tag": "b"}))
    assert (scope["path"], scope["query_string"]) == (path, query_string)


def test_what_would_break_the_query_string_is_quoted() -> None:
    event = load("vpc_lattice_v1", query_string_parameters={"a b": "1&2#3 4", "c": "%20", "d": ""})
    assert scope_of(event)["query_string"] == b"a%20b=1%262%233%204&c=%20&d="


def test_the_scheme_is_the_forwarded_one_where_it_is_known() -> None:
    scope = scope_of(load("vpc_lattice_v1", **{"headers__x-forwarded-proto": "http"}))
    assert (scope["scheme"], scope["server"]) == ("http", (HOST.decode(), 80))
