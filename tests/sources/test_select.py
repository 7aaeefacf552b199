from typing import Any

import pytest

from bridge import DEFAULT_SOURCES
from bridge.errors import UnsupportedEvent
from bridge.sources import select_source
from tests.cases import every_case
from tests.events import BASES, MISSING, load


@every_case("name", BASES)
def test_the_order_of_sources_matters_only_where_one_field_decides(name: str) -> None:
    # Only the domain tells a Function URL's event from an HTTP API's, only the version a REST API's.
    also = {"function-url": ["http-api-v2"], "http-api-v1": ["rest-api"]}
    event = load(name)
    known = [source.name for source in DEFAULT_SOURCES if source.matches(event)]
    assert known == [BASES[name], *also.get(BASES[name], [])]


@every_case(
    ("name", "overrides", "source"),
    [
        ("function_url", {"requestContext__domainName": "api.example.com"}, "http-api-v2"),
        ("http_api_v2", {"requestContext__domainName": "a.lambda-url.eu-west-1.on.aws"}, "function-url"),
        ("http_api_v2", {"requestContext__domainName": None}, "http-api-v2"),
        ("http_api_v1", {"version": MISSING}, "rest-api"),
        ("rest_api", {"version": "1.0"}, "http-api-v1"),
        ("rest_api", {"resource": MISSING}, "rest-api"),
        ("rest_api", {"requestContext": MISSING}, "rest-api"),
        ("rest_api", {"requestContext": None}, "rest-api"),
        ("vpc_lattice_v2", {"requestContext__serviceArn": MISSING}, "vpc-lattice-v2"),
        ("vpc_lattice_v2", {"requestContext__serviceNetworkArn": MISSING}, "vpc-lattice-v2"),
        ("lambda_edge", {"Records__0__cf__response": None}, "lambda-edge"),
        ("rest_api", {"requestContext__connectionId": None}, "rest-api"),
        ("http_api_v2", {"routeArn": None, "requestContext__serviceArn": None}, "http-api-v2"),
        ("rest_api", {"requestContext__elb": None}, "rest-api"),
        ("rest_api", {"methodArn": None, "routeArn": None, "actionGroup": None}, "rest-api"),
        ("rest_api", {"raw_path": None, "method": None}, "rest-api"),
        ("http_api_v1", {"routeArn": None}, "http-api-v1"),
        # A custom domain may be called as its owner likes, but never like AWS's own.
        ("http_api_v2", {"requestContext__domainName": "a.lambda-url.example.com"}, "http-api-v2"),
        ("http_api_v2", {"requestContext__domainName": "a.lambda-url.on.aws.example.com"}, "http-api-v2"),
        (
            "http_api_v2",
            {"requestContext__domainName": "a.lambda-url.cn-north-1.on.amazonwebservices.com.cn"},
            "function-url",
        ),
    ],
)
def test_a_source_is_told_by_its_discriminating_field(name: str, overrides: dict[str, Any], source: str) -> None:
    assert select_source(load(name, **overrides)).name == source


@every_case(
    "event",
    [
        load("rest_api", httpMethod=MISSING),
        load("http_api_v1", httpMethod=MISSING),
        load("http_api_v2", version=MISSING),
        load("http_api_v2", requestContext__http=MISSING),
        load("function_url", requestContext=MISSING),
        load("lambda_edge", Records__0__cf__request=MISSING),
        load("vpc_lattice_v1", raw_path=MISSING),
        load("vpc_lattice_v1", method=MISSING),
        load("vpc_lattice_v2", version=MISSING),
        load("vpc_lattice_v2", requestContext=MISSING),
        # A field that is null is an absent one.
        load("vpc_lattice_v1", raw_path=None),
        load("vpc_lattice_v2", requestContext__serviceArn=None, requestContext__serviceNetworkArn=None),
        {"requestContext": {"elb": None}},
    ],
)
def test_an_event_without_the_discriminating_field_is_unsupported(event: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedEvent):
        select_source(event)


def test_only_the_given_sources_are_tried() -> None:
    (alb,) = (source for source in DEFAULT_SOURCES if source.name == "alb")
    assert select_source(load("alb"), [alb]) is alb
    with pytest.raises(UnsupportedEvent):
        select_source(load("rest_api"), [alb])
