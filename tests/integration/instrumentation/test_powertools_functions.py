"""Powertools' decorators that insist on a function, and its event handler, as docs/instrumentation.md has them."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.apps import START, part
from tests.integration.instrumentation.conftest import documented
from tests.integration.instrumentation.dynamodb import Table
from tests.integration.test_powertools import Context

Event = dict[str, Any]
Scopes = list[Any]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    with Table() as table:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://{table.address}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "none")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        yield table


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[Any, Scopes]]]:
    """`run(heading)` returns the handler of the code below a heading, and the scopes that its application gets."""
    handlers = []

    def run(heading: str) -> tuple[Any, Scopes]:
        scopes: Scopes = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scopes.append(scope)
                await send(START)
                await send(part(b"number %d" % len(scopes)))

        monkeypatch.setitem(sys.modules, "shop", SimpleNamespace(app=app))
        names: dict[str, Any] = {"__name__": "app"}
        (code,) = documented(heading)
        exec(compile(code, "app.py", "exec"), names)
        handlers.append(names["bridge"])
        return names["handler"], scopes

    yield run
    for handler in handlers:
        handler.close()


def test_a_request_with_the_same_key_is_answered_once_and_the_application_gets_the_data_class(
    table: Table, run: Callable[[str], tuple[Any, Scopes]], make_event: Callable[..., Event]
) -> None:
    handler, scopes = run("Powertools: decorators that accept only functions")
    events = [make_event("POST", headers={"host": "shop.example", "idempotency-key": key}) for key in "aab"]
    assert [handler(event, Context())["body"] for event in events] == ["number 1", "number 1", "number 2"]
    assert [type(scope["aws.event"]).__name__ for scope in scopes] == ["APIGatewayProxyEventV2"] * 2
    assert [item["status"]["S"] for item in table.items.values()] == ["COMPLETED"] * 2


def test_its_event_handler_answers_some_paths_and_a_bridge_the_others(
    run: Callable[[str], tuple[Any, Scopes]], make_event: Callable[..., Event]
) -> None:
    handler, scopes = run("Powertools: event handler")
    event = make_event(path="/orders/7")
    event["requestContext"]["stage"] = "$default"
    assert (handler(event, Context())["body"], scopes) == ('{"order":"7"}', [])
    assert (handler(make_event(path="/cart"), Context())["body"], scopes[0]["path"]) == ("number 1", "/cart")
