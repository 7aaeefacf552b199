from typing import Any

import pytest

from bridge.sources import alb
from tests.cases import every_case
from tests.events import load
from tests.logged import assert_logged
from tests.sources.exchange import Answer, answer, scope_of

TWO_COOKIES: dict[str, Any] = {"headers": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]}


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


def test_a_status_without_a_name_is_described_by_its_number() -> None:
    result = answer(load("alb"), Answer(status=599, content=b"?"))
    assert (result["statusCode"], result["statusDescription"]) == (599, "599 ")


def test_a_single_cookie_needs_no_other_spelling() -> None:
    assert answer(load("alb"), Answer(headers=[(b"set-cookie", b"a=1")]))["headers"] == {"set-cookie": "a=1"}


def test_several_cookies_with_single_value_headers_are_warned_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alb, "_is_warned", False)
    for _ in range(2):
        answer(load("alb"), Answer(**TWO_COOKIES))
    facts = ("POST /orders/caf%C3%A9: ", "Enable multi-value headers on the target group.")
    assert_logged(caplog, ("WARNING", *facts))


def test_headers_that_a_browser_sends_to_a_health_check_are_not_needed() -> None:
    event = {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/health"}
    scope = scope_of(event)
    assert (scope["method"], scope["path"], scope["headers"]) == ("GET", "/health", [])
    assert (scope["client"], scope["server"]) == (None, None)


def test_cookies_beyond_the_number_of_spellings_are_named_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alb, "_is_warned", True)
    cookies = [(b"set-cookie", b"c%d=1" % number) for number in range(515)]
    headers = answer(load("alb"), Answer(headers=cookies))["headers"]
    assert (len(headers), {name.lower() for name in headers}) == (512, {"set-cookie"})
    assert_logged(caplog, ("WARNING", "POST /orders/caf%C3%A9: ", "'c512, c513, c514'"))
