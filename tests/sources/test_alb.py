import logging
from typing import Any

import pytest

from bridge.sources import alb
from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import JSON_RESPONSE, Answer, answer, expected_scope, scope_of

TWO_COOKIES: dict[str, Any] = {"headers": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]}


def test_the_base_event_gives_the_whole_scope() -> None:
    event = load("alb_multi")
    app = Answer(**JSON_RESPONSE)
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
            (b"host", b"shop.example.com"),
            (b"x-amzn-trace-id", b"Root=1-65a1b2c3-0123456789abcdef01234567"),
            (b"x-forwarded-for", b"198.51.100.1, 203.0.113.9"),
            (b"x-forwarded-port", b"443"),
            (b"x-forwarded-proto", b"https"),
        ],
        client=("203.0.113.9", 0),
        server=("shop.example.com", 443),
    )


def test_a_request_with_multi_value_headers_gets_them_in_the_whole_result() -> None:
    assert answer(load("alb_multi"), Answer(**JSON_RESPONSE)) == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "multiValueHeaders": {
            "content-type": ["application/json"],
            "content-length": ["9"],
            "vary": ["accept", "cookie"],
            "set-cookie": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        },
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


def test_a_request_with_single_value_headers_gives_the_whole_scope() -> None:
    event = load("alb")
    scope = scope_of(event)
    assert scope == expected_scope(
        event,
        query_string=b"tag=b&q=x+y%26z",
        headers=[(name.encode(), value.encode()) for name, value in event["headers"].items()],
        client=("203.0.113.9", 0),
        server=("shop.example.com", 443),
    )


def test_a_request_with_single_value_headers_gets_one_string_for_each_in_the_whole_result() -> None:
    result = answer(load("alb"), Answer(**JSON_RESPONSE))
    cookies = [key for key in result["headers"] if key.lower() == "set-cookie"]
    assert len(cookies) == 2
    assert result == {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "headers": {
            "content-type": "application/json",
            "content-length": "9",
            "vary": "accept, cookie",
            cookies[0]: "a=1; Path=/",
            cookies[1]: "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        },
        "body": '{"id": 7}',
        "isBase64Encoded": False,
    }


def test_multi_value_headers_beat_single_ones_in_an_event_that_has_both() -> None:
    event = load("alb_multi", headers={"accept": "text/html", "host": "shop.example.com"})
    assert scope_of(event)["headers"] == scope_of(load("alb_multi"))["headers"]
    assert set(answer(event)) == {"statusCode", "statusDescription", "multiValueHeaders", "body", "isBase64Encoded"}


def test_null_multi_value_headers_are_single_value_headers() -> None:
    event = load("alb", multiValueHeaders=None)
    assert scope_of(event)["headers"] == scope_of(load("alb"))["headers"]
    assert set(answer(event)) == {"statusCode", "statusDescription", "headers", "body", "isBase64Encoded"}


@every_case(
    ("parameters", "query_string"),
    [
        ({"a": ["%2B"]}, b"a=%2B"),
        ({"a": ["+"]}, b"a=+"),
        ({"a": ["%FF"]}, b"a=%FF"),
        ({"a%5B%5D": ["1", "2"]}, b"a%5B%5D=1&a%5B%5D=2"),
        ({"a": ["b=c"]}, b"a=b=c"),
        ({"a": [""]}, b"a="),
        ({"a": [None]}, b"a"),
        ({"a": ["x y", "\u00e9"]}, b"a=x%20y&a=%C3%A9"),
        ({}, b""),
        (None, b""),
    ],
)
def test_query_parameters_are_joined_as_they_came(parameters: object, query_string: bytes) -> None:
    event = load("alb_multi", multiValueQueryStringParameters=parameters)
    assert scope_of(event)["query_string"] == query_string


@every_case(
    ("sent", "path", "raw_path"),
    [
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
        ("/a%252Fb", "/a%2Fb", b"/a%252Fb"),
        ("/a%20b/", "/a b/", b"/a%20b/"),
        ("/a+b", "/a+b", b"/a+b"),
        ("/100%", "/100%", b"/100%"),
        ("/%FF", "/\ufffd", b"/%FF"),
        ("//a", "//a", b"//a"),
        ("", "/", b"/"),
    ],
)
def test_the_path_is_unquoted_once(sent: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(load("alb", path=sent))
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@every_case(
    ("forwarded", "client"),
    [
        ("203.0.113.9", ("203.0.113.9", 0)),
        ("6.6.6.6, 203.0.113.9", ("203.0.113.9", 0)),
        ("6.6.6.6,203.0.113.9:40001", ("203.0.113.9", 0)),
        ("[2001:db8::9]:40001", ("2001:db8::9", 0)),
        ("2001:db8::9", ("2001:db8::9", 0)),
        ("6.6.6.6, ", None),
        ("", None),
    ],
)
def test_the_client_is_the_last_address_that_was_forwarded(forwarded: str, client: object) -> None:
    assert scope_of(load("alb", **{"headers__x-forwarded-for": forwarded}))["client"] == client


def test_a_status_without_a_name_is_described_by_its_number() -> None:
    result = answer(load("alb"), Answer(status=599, content=b"?"))
    assert (result["statusCode"], result["statusDescription"]) == (599, "599 ")


def test_a_single_cookie_needs_no_other_spelling() -> None:
    assert answer(load("alb"), Answer(headers=[(b"set-cookie", b"a=1")]))["headers"] == {"set-cookie": "a=1"}


def test_several_cookies_with_single_value_headers_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    alb._warn_of_single_values.cache_clear()
    for _ in range(2):
        answer(load("alb"), Answer(**TWO_COOKIES))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Enable multi-value headers on the target group." in record.getMessage()


def test_headers_that_a_browser_sends_to_a_health_check_are_not_needed() -> None:
    event = {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/health"}
    scope = scope_of(event)
    assert (scope["method"], scope["path"], scope["headers"]) == ("GET", "/health", [])
    assert (scope["client"], scope["server"]) == (None, None)
