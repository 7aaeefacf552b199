from typing import Any

from bridge import Settings
from bridge.settings import StageMode
from tests.cases import every_case
from tests.events import MISSING, load
from tests.sources.exchange import scope_of


def in_stage(path: str, stage: object = "Prod", **overrides: Any) -> dict[str, Any]:
    return load("http_api_v2", rawPath=path, requestContext__stage=stage, **overrides)


@every_case(
    ("sent", "raw_path"),
    [
        ("/a/b", b"/a/b"),
        ("/100%25", b"/100%2525"),
        ("/100%", b"/100%25"),
        ("/a b", b"/a%20b"),
        ("/café", b"/caf%C3%A9"),
        ("/a?b#c", b"/a%3Fb%23c"),
        ("/:@!$&'()*+,;=~-._", b"/:@!$&'()*+,;=~-._"),
    ],
)
def test_the_path_that_aws_decoded_is_not_unquoted_again(sent: str, raw_path: bytes) -> None:
    scope = scope_of(load("http_api_v2", rawPath=sent))
    assert (scope["path"], scope["raw_path"]) == (sent, raw_path)


@every_case("query", [None, MISSING])
def test_without_a_raw_query_string_there_is_no_query(query: object) -> None:
    # queryStringParameters would be a guess: repeats are joined by commas there.
    assert scope_of(load("http_api_v2", rawQueryString=query))["query_string"] == b""


@every_case(
    ("path", "stage", "expected"),
    [
        ("/x", "$default", ("", "/x")),
        ("/$default/x", "$default", ("", "/$default/x")),
        ("/Prod/x", "Prod", ("/Prod", "/Prod/x")),
        ("/Prod/x/", "Prod", ("/Prod", "/Prod/x/")),
        ("/Prod/", "Prod", ("/Prod", "/Prod/")),
        ("/Prod", "Prod", ("/Prod", "/Prod/")),
        ("/Production/x", "Prod", ("", "/Production/x")),
        ("/x", "Prod", ("", "/x")),
        ("/x", None, ("", "/x")),
        ("/x", "", ("", "/x")),
    ],
)
def test_a_named_stage_in_the_path_is_the_root_path(path: str, stage: object, expected: tuple[str, str]) -> None:
    scope = scope_of(in_stage(path, stage))
    assert (scope["root_path"], scope["path"]) == expected


@every_case(("path", "expected"), [("/Prod/x", "/x"), ("/Prod", "/"), ("/Production", "/Production"), ("/x", "/x")])
def test_a_stage_in_the_path_of_a_custom_domain_is_not_the_clients(path: str, expected: str) -> None:
    scope = scope_of(in_stage(path, requestContext__domainName="api.example.com"))
    assert (scope["root_path"], scope["path"]) == ("", expected)


@every_case(
    ("route", "parameters", "expected"),
    [
        # The route tells whose the first segment is: the client's, or AWS's.
        ("ANY /{proxy+}", {"proxy": "Prod/x"}, "/Prod/x"),
        ("GET /Prod/x", None, "/Prod/x"),
        ("GET /{stage}/x", {"stage": "Prod"}, "/Prod/x"),
        ("ANY /{proxy+}", {"proxy": "x"}, "/x"),
        ("GET /x", None, "/x"),
        # It does not tell: AWS is reported to put the stage there always.
        ("$default", None, "/x"),
        ("GET /other", None, "/x"),
        (None, None, "/x"),
        (5, ["x"], "/x"),
    ],
)
def test_a_clients_segment_that_is_called_like_the_stage_is_not_lost(
    route: object, parameters: object, expected: str
) -> None:
    overrides = {"requestContext__domainName": "api.example.com", "routeKey": route, "pathParameters": parameters}
    scope = scope_of(in_stage("/Prod/x", **overrides))
    assert (scope["root_path"], scope["path"]) == ("", expected)


@every_case("base_path", ["/Prod/api", "/api"])
def test_the_base_path_is_removed_with_and_without_the_stage_of_a_custom_domain(base_path: str) -> None:
    event = in_stage("/Prod/api/x", requestContext__domainName="api.example.com")
    scope = scope_of(event, Settings(base_path=base_path))
    assert (scope["root_path"], scope["path"]) == ("", "/x")


def test_the_api_mapping_of_a_custom_domain_comes_from_the_settings() -> None:
    event = in_stage("/Prod/x", requestContext__domainName="api.example.com")
    scope = scope_of(event, Settings(root_path="/v1"))
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/v1", "/v1/x", b"/v1/x")


@every_case(
    ("path", "base_path", "expected"),
    [("/Prod/x", "/Prod", "/x"), ("/Prod/api/x", "/Prod/api", "/x"), ("/Prod/Prod/x", "/Prod", "/Prod/x")],
)
@every_case("stage", ["root_path", "strip"])
def test_the_base_path_is_a_prefix_of_the_events_path_stage_included(
    path: str, base_path: str, expected: str, stage: StageMode
) -> None:
    scope = scope_of(in_stage(path), Settings(base_path=base_path, stage=stage))
    assert (scope["root_path"], scope["path"]) == ("", expected)
