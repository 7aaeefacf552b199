"""The scope that an application gets for an event."""

import json
from typing import Any, get_args

from bridge.local.inspector.scopes import scope_of
from bridge.testing.services import ServiceName
from tests.cases import every_case
from tests.local.inspector.fake_gateway import record, request


@every_case("source", get_args(ServiceName))
def test_every_source_has_one(source: ServiceName) -> None:
    target = "/prod/users?x=1" if source == "rest-api" else "/users?x=1"
    scope, why_not = scope_of(json.loads(record(request("GET", target), source=source).event), {})
    assert scope is not None
    assert (scope["type"], scope["method"], scope["query_string"], why_not) == ("http", "GET", "x=1", "")
    assert scope["path"] == target.partition("?")[0]
    assert "host" in dict(scope["headers"])


def test_the_function_s_variables_count() -> None:
    event = json.loads(record(request("GET", "/api/users")).event)
    scope, _ = scope_of(event, {"AWS_LWA_REMOVE_BASE_PATH": "/api"})
    assert scope is not None
    assert scope["path"] == "/users"


@every_case(
    ("event", "environ", "fact"),
    [
        ({"Records": []}, {}, "not an HTTP request"),
        ([1], {}, "not an HTTP request"),
        ({"version": "2.0", "requestContext": {"http": {"method": "GET"}}, "rawPath": 5}, {}, "MalformedEvent"),
        (json.loads(record(request()).event), {"AWS_LWA_REMOVE_BASE_PATH": "api"}, "ConfigurationError"),
    ],
)
def test_why_there_is_none(event: Any, environ: dict[str, str], fact: str) -> None:
    scope, why_not = scope_of(event, environ)
    assert (scope, fact in why_not) == (None, True)
