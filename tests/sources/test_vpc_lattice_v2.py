from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import Answer, answer, scope_of


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


@every_case(
    ("cookies", "value"),
    [([b"a=1"], "a=1"), ([b"a=1", b"a=1"], ["a=1", "a=1"]), ([b"a=1", b"b=2", b"c=3"], ["a=1", "b=2", "c=3"])],
)
def test_one_cookie_is_a_string_and_several_are_a_list(cookies: list[bytes], value: object) -> None:
    headers = [(b"vary", b"a"), *((b"set-cookie", cookie) for cookie in cookies), (b"vary", b"b")]
    assert answer(load("vpc_lattice_v2"), Answer(headers=headers)) == {
        "statusCode": 200,
        "headers": {"vary": "a, b", "set-cookie": value},
        "body": "",
        "isBase64Encoded": False,
    }
