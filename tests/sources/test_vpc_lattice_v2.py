from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer, expected_scope, scope_of

HOST = b"shop-0123456789abcdef0.7d67968.vpc-lattice-svcs.eu-west-1.on.aws"


def test_the_base_event_gives_the_whole_scope() -> None:
    event = load("vpc_lattice_v2")
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
            (b"x-forwarded-for", b"10.0.1.9"),
        ],
        client=("10.0.1.9", 0),
        server=(HOST.decode(), 443),
    )


def test_the_whole_result_has_joined_headers_and_cookies_apart() -> None:
    assert answer(load("vpc_lattice_v2"), Answer(**JSON_RESPONSE)) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "content-length": "9", "vary": "accept, cookie"},
        "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


@every_case(
    ("parameters", "query_string"),
    [({"a": ["1", "2"]}, b"a=1&a=2"), ({"a": "1"}, b"a=1"), ({}, b""), (None, b"")],
)
def test_parameters_are_strings_or_lists(parameters: object, query_string: bytes) -> None:
    assert scope_of(load("vpc_lattice_v2", queryStringParameters=parameters))["query_string"] == query_string


def test_parameters_may_have_the_first_versions_name() -> None:
    event = load("vpc_lattice_v2", queryStringParameters=None, query_string_parameters={"a": "1"})
    assert scope_of(event)["query_string"] == b"a=1"


@every_case(
    ("sent", "path", "query_string"),
    [("/a%2Fb", "/a/b", b"t=1"), ("/a%20b/?c=d", "/a b/", b"c=d"), ("", "/", b"t=1")],
)
def test_the_path_may_carry_the_query(sent: str, path: str, query_string: bytes) -> None:
    scope = scope_of(load("vpc_lattice_v2", path=sent, queryStringParameters={"t": "1"}))
    assert (scope["path"], scope["query_string"]) == (path, query_string)


@every_case("arn", ["serviceArn", "serviceNetworkArn"])
def test_either_arn_tells_the_source(arn: str) -> None:
    scope = scope_of(load("vpc_lattice_v2", requestContext={arn: "arn:aws:vpc-lattice:eu-west-1:123456789012:x"}))
    assert scope["path"] == "/orders/café"
