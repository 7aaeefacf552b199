"""Path templates: what a path has before the part that matched."""

from bridge.sources._prefix import before_route
from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import scope_of


@every_case(
    ("path", "template", "parameters", "expected"),
    [
        ("/api/x", "/x", None, "/api"),
        ("/x", "/x", None, ""),
        ("/api/x/", "/x", None, "/api"),
        ("/api/1/2", "/{a}/{b}", {"a": "1", "b": "2"}, "/api"),
        ("/api/1/x/2/3", "/{a}/x/{rest+}", {"a": "1", "rest": "2/3"}, "/api"),
        # A client's text with braces is not a template.
        ("/api/{b}/2", "/{a}/{b}", {"a": "{b}", "b": "2"}, "/api"),
        ("/api/{a}/{b}", "/{a}/{b}", {"a": "{a}", "b": "{b}"}, "/api"),
        ("/api/%7Bb%7D/2", "/{a}/{b}", {"a": "{b}", "b": "2"}, "/api"),
        ("/api/{{a}}/1", "/{a}/{b}", {"a": "{{a}}", "b": "1"}, "/api"),
        ("/api/{rest+}", "/{rest+}", {"rest": "{rest+}"}, "/api"),
        # Encoded, or decoded, as the event has it.
        ("/api/a%20b", "/{a}", {"a": "a%20b"}, "/api"),
        ("/api/a%20b", "/{a}", {"a": "a b"}, "/api"),
        ("/api/a b", "/{a}", {"a": "a%20b"}, "/api"),
        ("/api/caf%c3%a9", "/{a}", {"a": "caf%C3%A9"}, "/api"),
        ("/api/a%2Fb", "/{a}", {"a": "a/b"}, "/api"),
        # Empty values, and braces that are no parameter.
        ("/api//x", "/{a}/x", {"a": ""}, "/api"),
        ("/api", "/{rest+}", {"rest": ""}, "/api"),
        ("/api/{}", "/{}", {"": "x"}, "/api"),
        ("/api/{a", "/{a", {"a": "x"}, "/api"),
        # Nothing can be proven.
        ("/api/1", "/{a}", {"a": "2"}, None),
        ("/api/1", "/{a}", {}, None),
        ("/api/1", "/{a}", {"a": 1}, None),
        ("/api/1", "/{a}", [], None),
        ("/api/1/1", "/{a}/{a}", {"a": "1"}, None),
        ("/x", "/longer/than/x", None, None),
        ("/api/x", "$default", None, None),
        ("/api/x", "x", None, None),
        ("/api/x", "", None, None),
        ("/api/x", None, None, None),
        ("/api/x", ["/x"], None, None),
        # A prefix with an empty segment is none.
        ("/api//x", "/x", None, None),
        ("//x", "/x", None, None),
        ("//api/x", "/x", None, None),
        ("/api%2F/x", "/x", None, None),
        ("/%2fapi/x", "/x", None, None),
    ],
)
def test_a_path_has_this_before_its_route(
    path: str, template: object, parameters: object, expected: str | None
) -> None:
    assert before_route(path, template, {"pathParameters": parameters}) == expected


LONG = 20_000
NUMBERS = range(LONG)

# Each value holds the next name 2,000 times: 2,000 to the power of ten, if what was put in were searched again.
CHAIN = {f"n{number}": f"{{n{number + 1}}}" * 2000 for number in range(10)}


@every_case(
    ("template", "values", "filled"),
    [
        ("".join(f"/{{{name}}}" for name in CHAIN), CHAIN, "".join(f"/{value}" for value in CHAIN.values())),
        ("/{a}", {"a": "{a}" * LONG}, "/" + "{a}" * LONG),
        ("/{a+}", {"a": "{a+}" * LONG}, "/" + "{a+}" * LONG),
        ("/" + "{" * LONG, {"a": "x"}, "/" + "{" * LONG),
        ("/x" * LONG, {f"n{number}": "{a}" for number in NUMBERS}, "/x" * LONG),
        ("".join(f"/{{n{number}}}" for number in NUMBERS), {f"n{number}": "1" for number in NUMBERS}, "/1" * LONG),
    ],
)
def test_a_huge_template_and_huge_values_are_filled_in_once(template: str, values: dict[str, str], filled: str) -> None:
    path = f"/shop{filled}"
    for name, full in (("rest_api", path), ("http_api_v1", None)):
        event = load(name, path=path, resource=template, pathParameters=values, requestContext__path=full)
        assert scope_of(event)["root_path"] == "/shop"


def test_a_value_is_put_in_once_however_often_its_name_occurs() -> None:
    assert before_route("/shop/1/1", "/{a}" * LONG, {"pathParameters": {"a": "1" * LONG}}) is None
