from bridge import Settings
from bridge.settings import StageMode
from tests.cases import every_case
from tests.events import MISSING, load
from tests.sources.exchange import scope_of

HOST = b"abc123def4.execute-api.eu-west-1.amazonaws.com"


@every_case(
    ("path", "full", "resource", "parameters", "expected"),
    [
        # The API's own domain: the stage is in front of everything.
        ("/x", "/prod/x", "/x", None, ("/prod", "/prod/x")),
        ("/", "/prod/", "/", None, ("/prod", "/prod/")),
        ("/", "/prod", "/", None, ("/prod", "/prod/")),
        ("/prod/x", "/prod/prod/x", "/{proxy+}", {"proxy": "prod/x"}, ("/prod", "/prod/prod/x")),
        ("/x/", "/prod/x/", "/x", None, ("/prod", "/prod/x/")),
        ("/x", "/prod/x/", "/x", None, ("/prod", "/prod/x/")),
        # A custom domain with a base path mapping: the resource tells how long that is.
        ("/api/x", "/api/x", "/x", None, ("/api", "/api/x")),
        ("/api/x/y", "/api/x/y", "/{proxy+}", {"proxy": "x/y"}, ("/api", "/api/x/y")),
        ("/api/v1/orders/7", "/api/v1/orders/7", "/orders/{id}", {"id": "7"}, ("/api/v1", "/api/v1/orders/7")),
        ("/api/a%20b", "/api/a%20b", "/{name}", {"name": "a b"}, ("/api", "/api/a%20b")),
        ("/api/a%20b", "/api/a%20b", "/{name}", {"name": "a%20b"}, ("/api", "/api/a%20b")),
        ("/api/50%25", "/api/50%25", "/{name}", {"name": "50%"}, ("/api", "/api/50%25")),
        ("/api/50%2525", "/api/50%2525", "/{name}", {"name": "50%25"}, ("/api", "/api/50%2525")),
        ("/api/50%2525", "/api/50%2525", "/{name}", {"name": "50%2525"}, ("/api", "/api/50%2525")),
        ("/api", "/api", "/", None, ("/api", "/api/")),
        # A custom domain mapped to the stage itself, and the console's test: no prefix at all.
        ("/x", "/x", "/x", None, ("", "/x")),
        ("/", "/", "/", None, ("", "/")),
        ("/x/y", "/x/y", "/{proxy+}", {"proxy": "x/y"}, ("", "/x/y")),
        # Of several slashes after the stage, `path` has one alone, and the client's path all.
        ("/x", "/prod//x", "/{proxy+}", {"proxy": "x"}, ("/prod", "/prod//x")),
        ("//x", "/prod//x", "/{proxy+}", {"proxy": "x"}, ("/prod", "/prod//x")),
        ("/x//y", "/prod///x//y", "/{proxy+}", {"proxy": "x//y"}, ("/prod", "/prod///x//y")),
        ("/", "/prod//", "/", None, ("/prod", "/prod//")),
        ("/x", "//x", "/{proxy+}", {"proxy": "x"}, ("", "//x")),
        # A prefix that ends in a slash, or has two, is none.
        ("//a", "//a", "/{proxy+}", {"proxy": "a"}, ("", "//a")),
        ("//a//b", "//a//b", "/{proxy+}", {"proxy": "a//b"}, ("", "//a//b")),
        ("/v1//a", "/v1//a", "/{proxy+}", {"proxy": "a"}, ("", "/v1//a")),
        ("//v1/a", "//v1/a", "/{proxy+}", {"proxy": "a"}, ("", "//v1/a")),
        ("/a/x", "//prod/a/x", "/{proxy+}", {"proxy": "a/x"}, ("", "/a/x")),
        # A custom domain without a stage in its mapping: the client names it. Elsewhere a path may begin like it.
        ("/prod/x", "/prod/x", "/x", None, ("/prod", "/prod/x")),
        ("/prod/x", "/prod/x", "/{proxy+}", {"proxy": "prod/x"}, ("", "/prod/x")),
        ("/api/prod/x", "/api/prod/x", "/prod/x", None, ("/api", "/api/prod/x")),
        # A request context whose path is none.
        ("/x", "http://evil%41/prod/x", "/x", None, ("", "/x")),
        ("/x", "prod/x", "/x", None, ("", "/x")),
        ("/x", "", "/x", None, ("", "/x")),
        # Nothing can be proven.
        ("/api/x", "/api/x", None, None, ("", "/api/x")),
        ("/api/x", "/api/x", "/{proxy+}", None, ("", "/api/x")),
        ("/api/x", None, "/x", None, ("", "/api/x")),
        ("/api/x", "/elsewhere", "/x", None, ("", "/api/x")),
        ("/xapi/x", "/xapi/x", "/pi/x", None, ("", "/xapi/x")),
    ],
)
def test_root_path_is_what_the_clients_path_has_before_the_resource(
    path: str, full: str | None, resource: str | None, parameters: object, expected: tuple[str, str]
) -> None:
    event = load("rest_api", path=path, requestContext__path=full, resource=resource, pathParameters=parameters)
    scope = scope_of(event)
    assert (scope["root_path"], scope["raw_path"].decode()) == expected


def test_a_path_without_a_leading_slash_gets_one() -> None:
    scope = scope_of(load("rest_api", path="x", requestContext__path="/prod/x"))
    assert (scope["root_path"], scope["path"]) == ("/prod", "/prod/x")


def test_an_encoded_root_path_is_decoded_like_the_path() -> None:
    scope = scope_of(load("rest_api", path="/x", requestContext__path="/my%20stage/x"))
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/my stage", "/my stage/x", b"/my%20stage/x")


def test_stage_strip_leaves_a_base_path_mapping_out() -> None:
    event = load("rest_api", path="/api/x", requestContext__path="/api/x", resource="/x")
    scope = scope_of(event, Settings(stage="strip"))
    assert (scope["root_path"], scope["path"]) == ("", "/x")


@every_case("resource", ["/x", "/api/x"])
@every_case("stage", ["root_path", "strip"])
def test_the_base_path_of_a_custom_domain_is_stripped_once(resource: str, stage: StageMode) -> None:
    path = "/api" + resource
    event = load("rest_api", path=path, requestContext__path=path, resource=resource)
    scope = scope_of(event, Settings(base_path="/api", stage=stage))
    assert (scope["root_path"], scope["path"]) == ("", resource)


@every_case(
    ("multi", "single", "query_string"),
    [
        ({"a": ["1", "2"], "b": ["3"]}, {"a": "2", "b": "3"}, b"a=1&a=2&b=3"),
        (None, {"a": "1"}, b"a=1"),
        ({}, {"a": "1"}, b"a=1"),
        (None, None, b""),
        ({"a": ["x y+z&=%"]}, None, b"a=x+y%2Bz%26%3D%25"),
        ({"\u00e9[]": ["\u20ac"]}, None, b"%C3%A9%5B%5D=%E2%82%AC"),
        ({"a": [""]}, None, b"a="),
        ({"a": [None]}, None, b"a"),
        ({"a": None}, None, b"a"),
        ({"a": ["\ud800"]}, None, b"a=%EF%BF%BD"),
    ],
)
def test_query_parameters_that_aws_decoded_are_encoded_again(
    multi: object, single: object, query_string: bytes
) -> None:
    event = load("rest_api", multiValueQueryStringParameters=multi, queryStringParameters=single)
    assert scope_of(event)["query_string"] == query_string


def test_a_request_context_that_is_missing_loses_no_more_than_it_says() -> None:
    scope = scope_of(load("rest_api", requestContext=MISSING))
    assert (scope["path"], scope["root_path"], scope["client"]) == ("/orders/café", "", None)
    assert scope["server"] == (HOST.decode(), 443)
