from tests.cases import every_case
from tests.events import MISSING, load
from tests.sources.exchange import scope_of


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
