"""A path that is set for events is closed to clients, in any spelling."""

from typing import Any

import pytest

from bridge import Bridge, Settings
from tests.cases import every_case
from tests.events import BASES, load
from tests.events.calls import CALLS, Call, called
from tests.events.records import CUSTOM
from tests.logged import assert_logged
from tests.sources.exchange import FIELDS, Answer, answer, as_client

CLOSED = Settings(pass_through_path="/internal/events")

SPELLINGS = [
    *("/internal/events", "/internal/events/", "//internal/events", "/internal//events", "/INTERNAL/Events"),
    *("/internal%2Fevents", "/internal%2fevents", "/%69nternal/events", "/%2569nternal/events", "/internal/./events"),
    *("/x/../internal/events", "/x/%2e%2e/internal/events", "/internal/events;v=1", "/internal/events%00"),
]

OPEN = ["/internal", "/internal/events2", "/internal/events/1", "/api/internal/events", "/events", "/"]


def status_of(name: str, path: str, settings: Settings, **fields: Any) -> tuple[int, bool]:
    """Return the status, and whether the application was called."""
    app = Answer()
    status, _, _ = as_client(answer(load(name, **{FIELDS[name]["path"]: path}, **fields), app, settings))
    return status, bool(app.scope)


@every_case("name", [name for name in BASES if name not in ("rest_api", "http_api_v1")])
def test_a_clients_request_to_a_closed_path_gets_a_403(name: str) -> None:
    assert {status_of(name, path, CLOSED) for path in SPELLINGS} == {(403, False)}
    assert {status_of(name, path, CLOSED) for path in OPEN} == {(200, True)}


@every_case("name", ["rest_api", "http_api_v1"])
def test_the_path_of_the_request_context_counts_where_it_is_the_clients(name: str) -> None:
    assert status_of(name, "/internal/events", CLOSED, requestContext__path="/prod/internal/events") == (403, False)
    assert status_of(name, "/internal/x", CLOSED, requestContext__path="/prod/internal/x") == (200, True)


@every_case(
    ("settings", "path"),
    [
        ({"root_path": "/v1"}, "/internal/events"),
        ({"root_path": "/v1"}, "/v1/internal/events"),
        ({"root_path": "/v1"}, "/v1//internal/events"),
        ({"root_path": "/v1"}, "/v1/%69nternal/events"),
        ({"root_path": "/v1"}, "/../v1/internal/events"),
        ({"root_path": "/v1"}, "/v1/../v1/internal/events"),
        ({"root_path": "/v1"}, "/v1/x/%2e%2e/../v1/internal/events"),
        ({"base_path": "/api"}, "/api/internal/events"),
        ({"base_path": "/api", "root_path": "/v1"}, "/api/internal/events"),
    ],
)
def test_a_prefix_does_not_open_the_path(settings: dict[str, Any], path: str) -> None:
    for name in ("pass_through_path", "websocket_path"):
        arguments: dict[str, Any] = {name: "/internal/events", **settings}
        assert status_of("function_url", path, Settings(**arguments)) == (403, False)


@every_case(
    "settings",
    [{}, {"pass_through_path": "/internal/events", "open_pass_through_path": True}],
)
def test_the_default_path_and_one_that_is_left_open_are_the_applications_own(settings: dict[str, Any]) -> None:
    for path in ("/events", "/internal/events"):
        assert status_of("function_url", path, Settings(**settings)) == (200, True)


def test_the_root_can_be_closed_too() -> None:
    closed = Settings(pass_through_path="/", root_path="/v1")
    assert {status_of("function_url", path, closed) for path in ("/", "/v1", "/v1/", "//")} == {(403, False)}
    assert status_of("function_url", "/v1/a", closed) == (200, True)


CHAT = Settings(websocket_path="/internal/chat")

CHAT_SPELLINGS = [
    *("/internal/chat", "/internal/chat/", "/internal/chat/connect", "/internal/chat/message/", "/internal/chat/a/b"),
    *("//internal//chat//connect", "/INTERNAL/Chat/Connect", "/internal%2Fchat%2fconnect", "/%69nternal/chat/message"),
    *("/%2569nternal/chat/message", "/x/../internal/chat/connect", "/internal/./chat/connect", "/internal/chat;v/a"),
    # A catch-all route of a server that does not resolve ".." is under the prefix, too.
    *(
        "/internal/chat/../x",
        "/./internal/chat/../x",
        "/internal/chat/%2e%2e/%2e%2e/x",
        "//any.example/internal/chat/a",
    ),
]


@every_case("name", [name for name in BASES if name not in ("rest_api", "http_api_v1")])
def test_a_prefix_for_websocket_events_is_closed_with_all_that_is_under_it(name: str) -> None:
    assert [path for path in CHAT_SPELLINGS if status_of(name, path, CHAT) != (403, False)] == []
    others = ("/internal", "/internal/chats", "/internal/chat2/connect", "/chat/connect", "/websocket/connect", "/")
    assert [path for path in others if status_of(name, path, CHAT) != (200, True)] == []


@every_case(
    ("settings", "status"),
    [
        ({}, 200),
        ({"websocket_path": "/websocket"}, 403),
        ({"websocket_path": "/websocket", "root_path": "/v1"}, 403),
        ({"websocket_path": "/websocket", "pass_through_path": "/events", "open_pass_through_path": True}, 403),
        ({"websocket_path": "/websocket", "open_websocket_path": True}, 200),
        ({"websocket_path": "/websocket", "open_websocket_path": True, "pass_through_path": "/websocket/x"}, 200),
    ],
)
def test_the_default_prefix_is_the_applications_own_until_it_is_set(settings: dict[str, Any], status: int) -> None:
    closed = Settings(**settings)
    for path in ("/websocket/connect", "/v1/websocket/message") if closed.root_path else ("/websocket/connect",):
        assert status_of("function_url", path, closed)[0] == status
    app = Answer()
    assert answer(load("websocket_connect"), app, closed)["statusCode"] == 200
    assert app.scope["path"] == "/websocket/connect"


def test_both_can_be_closed() -> None:
    closed = Settings(pass_through_path="/events", websocket_path="/chat")
    found = [status_of("function_url", path, closed)[0] for path in ("/events", "/events/1", "/chat", "/chat/connect")]
    assert found == [403, 200, 403, 403]


def test_the_default_path_is_closed_if_it_is_set() -> None:
    assert status_of("function_url", "/events", Settings(pass_through_path="/events")) == (403, False)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_events_get_through_and_a_client_leaves_one_line(
    caplog: pytest.LogCaptureFixture, call: Call, make_event: Any
) -> None:
    app = Answer(content=b"5")
    assert call(Bridge(app, lifespan="off", settings=CLOSED), CUSTOM, None) == 5
    assert_logged(caplog)
    refused = call(Bridge(app, lifespan="off", settings=CLOSED), make_event(path="/internal/events"), None)
    assert (refused["statusCode"], refused["body"]) == (403, "Forbidden")
    assert_logged(caplog, ("WARNING", "GET /internal/events", "403"))


def test_a_source_of_the_users_is_checked_too() -> None:
    from bridge._httpx import httpx

    class Own:
        name = "own"

        def matches(self, event: dict[str, Any]) -> bool:
            return True

        def decode(self, event: dict[str, Any], settings: Settings) -> httpx.Request:
            return httpx.Request("GET", f"https://own{event['path']}")

        def encode(self, response: Any, event: dict[str, Any], settings: Settings) -> dict[str, Any]:
            return {"code": response.status_code}

    handler = Bridge(Answer(), lifespan="off", settings=CLOSED, sources=[Own()])
    assert called(handler, {"path": "/internal/events?x"}) == {"code": 403}
