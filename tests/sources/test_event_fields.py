"""Events with a field that is missing, null or of the wrong type."""

import logging
from typing import Any

import pytest

from bridge import DEFAULT_SOURCES
from bridge.errors import MalformedEvent, UnsupportedEvent
from bridge.sources import select_source
from tests.cases import every_case
from tests.events import BASES, MISSING, Steps, load, paths, replaced
from tests.sources.exchange import FIELDS, Answer, answer, as_client

# Without one of these fields, another source matches the event, or none.
DISCRIMINATING: dict[str, set[Steps]] = {
    "alb": {("requestContext",), ("requestContext", "elb")},
    "function_url": {("version",), ("requestContext",), ("requestContext", "http"), ("requestContext", "domainName")},
    "http_api_v1": {("version",), ("httpMethod",)},
    "http_api_v2": {("version",), ("requestContext",), ("requestContext", "http")},
    "lambda_edge": {("Records",), ("Records", 0, "cf"), ("Records", 0, "cf", "request")},
    "rest_api": {("httpMethod",)},
    "vpc_lattice_v1": {("raw_path",), ("method",)},
    "vpc_lattice_v2": {("version",), ("requestContext",)},
}
DISCRIMINATING["alb_multi"] = DISCRIMINATING["alb"]

# A client's text in a field of the wrong type: it must not appear in the log.
SECRET = "s3cret"

# Deeper than Python recurses.
DEEP: list[Any] = []
for _ in range(2000):
    DEEP = [DEEP]

EVERY_FIELD = [(name, steps) for name in BASES for steps in paths(load(name)) if steps not in DISCRIMINATING[name]]
DISCRIMINATING_FIELDS = [(name, steps) for name in BASES for steps in sorted(DISCRIMINATING[name], key=str)]

# The fields that have to be objects, besides those that FIELDS names, which have to be strings.
_EDGE = "Records__0__cf__request__"
OBJECTS = {
    "alb": ["headers", "queryStringParameters"],
    "alb_multi": ["multiValueHeaders", "multiValueQueryStringParameters"],
    "function_url": ["headers"],
    "http_api_v1": ["multiValueHeaders", "multiValueQueryStringParameters"],
    "http_api_v2": ["headers"],
    "lambda_edge": [f"{_EDGE}headers", f"{_EDGE}body"],
    "rest_api": ["multiValueHeaders", "multiValueQueryStringParameters"],
    "vpc_lattice_v1": ["headers", "query_string_parameters"],
    "vpc_lattice_v2": ["headers", "queryStringParameters"],
}
WRONG_TYPES: list[tuple[str, str, Any]] = [
    *((name, FIELDS[name][part], value) for name in BASES for part in ("method", "path") for value in (5, {SECRET: 1})),
    *((name, FIELDS[name]["body"], {SECRET: 1}) for name in BASES),
    *((name, key, value) for name in BASES for key in OBJECTS[name] for value in ([SECRET], f"a: {SECRET}")),
    *(("function_url", "cookies", value) for value in (f"a={SECRET}", {"a": SECRET}, [SECRET, 1])),
    *((name, "rawQueryString", {"a": SECRET}) for name in ("function_url", "http_api_v2")),
    ("lambda_edge", f"{_EDGE}querystring", {"a": SECRET}),
    *(("lambda_edge", f"{_EDGE}headers__host", value) for value in (SECRET, [SECRET], [{"value": DEEP}])),
    *((name, "requestContext__domainName", []) for name in ("http_api_v2", "rest_api")),
    ("function_url", "headers", {"a": DEEP}),
    ("rest_api", "multiValueHeaders", {"a": DEEP}),
]


@every_case(("name", "steps"), EVERY_FIELD)
@every_case("value", [MISSING, None])
def test_any_field_may_be_missing_or_null(name: str, steps: Steps, value: object) -> None:
    app = Answer(content=b"ok")
    result = answer(replaced(load(name), steps, value), app)
    assert app.scope, "the application was not called"
    assert as_client(result) == (200, [], b"ok")


@every_case(("name", "steps"), DISCRIMINATING_FIELDS)
@every_case("value", [MISSING, None, 5, "x", [], {}])
def test_a_discriminating_field_of_any_kind_leaves_some_source_or_none(name: str, steps: Steps, value: object) -> None:
    event = replaced(load(name), steps, value)
    try:
        source = select_source(event)
    except UnsupportedEvent:
        assert not any(source.matches(event) for source in DEFAULT_SOURCES)
    else:
        status, _, _ = as_client(answer(event))
        assert (status, source.matches(event)) in [(200, True), (400, True)]


@every_case(("name", "key", "value"), WRONG_TYPES)
def test_a_field_of_the_wrong_type_gives_the_client_a_400_and_the_log_a_line(
    name: str, key: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = Answer()
    result = answer(load(name, **{key: value}), app)
    assert not app.scope, "the application was called"
    assert_bad_request(name, result)
    assert_one_plain_line(name, caplog)
    assert SECRET not in caplog.text


@every_case("name", BASES)
def test_broken_base64_gives_the_client_a_400_and_the_log_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Answer()
    flag = {FIELDS[name]["base64"]: True} if name != "lambda_edge" else {}
    result = answer(load(name, **{FIELDS[name]["body"]: "not base64!"}, **flag), app)
    assert not app.scope, "the application was called"
    assert_bad_request(name, result)
    assert_one_plain_line(name, caplog, ": Expected a base64 body")


@every_case(("name", "steps"), EVERY_FIELD)
@every_case("value", [5, "x", True, [SECRET], {SECRET: SECRET}, [[]]])
def test_no_value_of_any_field_is_an_exception_to_the_caller(
    name: str, steps: Steps, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    event = replaced(load(name), steps, value)
    try:
        status, _, body = as_client(answer(event, Answer(content=b"ok")))
    except UnsupportedEvent:
        assert not any(source.matches(event) for source in DEFAULT_SOURCES)
    else:
        # 413 is what a body gets that says it is truncated, whatever the word for that.
        assert (status, body) in [(200, b"ok"), (400, b"Bad Request")] or status == 413
        if status != 200:
            assert_one_plain_line(select_source(event).name, caplog)
        assert SECRET not in caplog.text


@every_case("name", BASES)
@every_case(
    ("method", "path", "line"),
    [
        ("POST", "/orders/%C3%A9", "POST /orders/%C3%A9: "),
        ("POST", "/a\n\u00e9?secret=1", r"POST /a\n\xe9: "),
        ("x" * 99, "/" + "y" * 999, f"{'x' * 20} /{'y' * 199}: "),
        ("POST", 5, "POST ?: "),
        ([], "/x", "? /x: "),
    ],
)
def test_the_log_line_of_a_malformed_event_names_method_and_path(
    name: str, method: object, path: object, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer(load(name, **{FIELDS[name]["method"]: method, FIELDS[name]["path"]: path, FIELDS[name]["body"]: ["x"]}))
    assert caplog.messages[0].startswith(f"{line}A malformed {BASES[name]} event")


def test_a_malformed_event_says_what_was_expected_and_what_came() -> None:
    event = load("alb", path=["/"])
    with pytest.raises(MalformedEvent) as caught:
        select_source(event).decode(event, None)  # type: ignore[arg-type]
    assert str(caught.value) == "Expected 'path' to be a string, but got list."


def assert_one_plain_line(name: str, caplog: pytest.LogCaptureFixture, says: str = "") -> None:
    (record,) = caplog.records
    message = record.getMessage()
    assert (record.levelno, record.exc_info, "\n" in message) == (logging.ERROR, None, False)
    assert f": A malformed {BASES.get(name, name)} event{says}" in message
    assert len(message) < 500


def assert_bad_request(name: str, result: dict[str, Any]) -> None:
    """Assert that the answer has its source's own shape, field for field."""
    good = answer(load(name), Answer(headers=[(b"content-type", b"text/plain; charset=utf-8")], content=b"Bad Request"))
    status, headers, body = as_client(result)
    assert (status, body) == (400, b"Bad Request")
    assert dict(headers)["content-type"] == "text/plain; charset=utf-8"
    assert [(key, type(value)) for key, value in result.items()] == [(key, type(value)) for key, value in good.items()]
