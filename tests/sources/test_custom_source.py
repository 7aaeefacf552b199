import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge import DEFAULT_SOURCES, Bridge, Settings, Source
from bridge._httpx import httpx
from bridge.errors import ConfigurationError, MalformedEvent, UnsupportedEvent
from bridge.sources import (
    CompleteResponse,
    EventRequest,
    alb,
    encode_response,
    first_header,
    make_request,
    select_source,
)
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, Answer, as_client

DOCUMENT = Path(__file__).parents[2] / "docs" / "custom-sources.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class ScheduledTask:
    """EventBridge schedules as `POST /events`, whose answer is not read."""

    name = "schedule"

    @staticmethod
    def matches(event: dict[str, Any]) -> bool:
        return event.get("source") == "aws.events"

    @staticmethod
    def decode(event: dict[str, Any], settings: Settings) -> EventRequest:
        if "detail" not in event:
            raise MalformedEvent("Expected a 'detail'.", status_code=422)
        headers = [(b"content-type", b"application/json"), (b"x-rule", event.get("rule", "").encode())]
        if first_header(headers, b"x-rule") == "unlucky":
            raise RuntimeError("a fault in the source")
        return make_request(method="POST", path="/events", headers=headers, body=json.dumps(event["detail"]).encode())

    @staticmethod
    def encode(response: CompleteResponse, event: dict[str, Any], settings: Settings) -> dict[str, Any]:
        encoded = encode_response(response, method="POST", settings=settings)
        return {"ok": encoded.status_code < 400, "status": encoded.status_code}


def test_the_documented_example_runs_as_documented() -> None:
    (example,) = blocks("python")
    event, result = map(json.loads, blocks("json"))
    namespace: dict[str, Any] = {}
    exec(compile(example, str(DOCUMENT), "exec"), namespace)
    with closing(namespace["handler"]) as handler:
        assert json.loads(json.dumps(handler(event, CONTEXT))) == result
        assert handler({**event, "target": "orders"}, CONTEXT)["status"] == 400
        assert handler({**event, "method": "HEAD"}, CONTEXT)["body"] == ""
        for name in BASES:
            assert as_client(handler(load(name), CONTEXT))[0] == 201


def test_a_source_of_ones_own_answers_its_events_beside_the_defaults() -> None:
    app = Answer(status=204)
    event = {"source": "aws.events", "rule": "nightly", "detail": {"a": 1}}
    with closing(Bridge(app, sources=[ScheduledTask, *DEFAULT_SOURCES], lifespan="off")) as handler:
        assert handler(event, CONTEXT) == {"ok": True, "status": 204}
        assert app.body == b'{"a": 1}'
        headers = [(b"content-type", b"application/json"), (b"x-rule", b"nightly"), (b"content-length", b"8")]
        assert app.scope.items() >= {"method": "POST", "path": "/events", "headers": headers, "server": None}.items()
        assert (app.scope["aws.event"], app.scope["aws.context"]) == (event, CONTEXT)
        assert as_client(handler(load("alb"), CONTEXT)) == (204, [], b"")


@every_case(
    ("event", "status", "facts"),
    [
        ({"source": "aws.events"}, 422, ("schedule", "Expected a 'detail'.")),
        ({"source": "aws.events", "detail": {}, "rule": "unlucky"}, 400, ("schedule", "RuntimeError: a fault")),
    ],
)
def test_an_event_that_the_source_refuses_gets_an_answer_in_its_own_shape(
    event: dict[str, Any], status: int, facts: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    app = Answer()
    with closing(Bridge(app, sources=[ScheduledTask], lifespan="off")) as handler:
        assert handler(event, CONTEXT) == {"ok": False, "status": status}
    assert not app.scope
    assert_logged(caplog, ("ERROR", *facts))


def test_the_first_source_that_knows_an_event_has_it() -> None:
    class Everything(ScheduledTask):
        name = "everything"

        @staticmethod
        def matches(event: dict[str, Any]) -> bool:
            return True

    first: list[Source] = [Everything, *DEFAULT_SOURCES]
    last: list[Source] = [*DEFAULT_SOURCES, Everything]
    assert [select_source(load("alb"), sources).name for sources in (first, last)] == ["everything", "alb"]


def test_the_sources_may_be_objects_in_any_iterable_and_without_the_defaults() -> None:
    with closing(Bridge(Answer(), sources=iter([ScheduledTask()]), lifespan="off")) as handler:
        for _ in range(2):
            assert handler({"source": "aws.events", "detail": {}}, CONTEXT) == {"ok": True, "status": 200}
        with pytest.raises(UnsupportedEvent):
            handler(load("alb"), CONTEXT)


@every_case(
    "sources",
    [[], [object()], [ScheduledTask, "alb"], None, 5, alb, ScheduledTask],
)
def test_an_invalid_source_is_an_error_at_construction(sources: Any) -> None:
    with pytest.raises(ConfigurationError):
        Bridge(Answer(), sources=sources, lifespan="off").close()


class Signed:
    """The load balancer's events, with a method and a header that the source changes."""

    name, matches, encode = "signed", staticmethod(alb.matches), staticmethod(alb.encode)

    @staticmethod
    def decode(event: dict[str, Any], settings: Settings) -> EventRequest:
        request = alb.decode(event, settings)
        request.method = "PUT"
        request.headers["X-User"] = "ada"
        return request


def test_what_a_source_around_a_built_in_one_changes_reaches_the_application() -> None:
    plain, signed = Answer(), Answer()
    for app, sources in ((plain, [alb]), (signed, [Signed])):
        with closing(Bridge(app, sources=sources, lifespan="off")) as handler:
            handler(load("alb"), CONTEXT)
    headers = [*plain.scope["headers"], (b"x-user", b"ada")]
    assert signed.scope == plain.scope | {"method": "PUT", "headers": headers}


class Decoding(ScheduledTask):
    """A source that decodes every event to the same thing."""

    def __init__(self, request: Any) -> None:
        self.decode = lambda event, settings: request  # type: ignore[method-assign]


async def streamed(handler: Bridge, event: dict[str, Any]) -> object:
    async with handler.stream(event, CONTEXT) as response:
        return [part async for part in response.body]


WAYS: dict[str, Callable[[Bridge, dict[str, Any]], object]] = {
    "handler": lambda handler, event: handler(event, CONTEXT),
    "handle": lambda handler, event: anyio.run(handler.handle, event, CONTEXT),
    "stream": lambda handler, event: anyio.run(streamed, handler, event),
}


@every_case("way", WAYS)
@every_case(
    ("request_", "kind"),
    [
        (None, "builtins.NoneType"),
        ({"method": "GET"}, "builtins.dict"),
        (CompleteResponse(200, [], b""), "bridge._messages.CompleteResponse"),
        # Its body can be read by a synchronous client alone.
        (httpx.Request("POST", "http://a.example/", content=iter([b"a"])), f"{httpx.__name__}.Request"),
    ],
)
def test_a_source_that_decodes_to_no_request_fails_the_invocation(way: str, request_: object, kind: str) -> None:
    app = Answer()
    handler = Bridge(app, sources=[Decoding(request_)], lifespan="off")
    with closing(handler), pytest.raises(TypeError) as caught:
        WAYS[way](handler, {"source": "aws.events"})
    assert not app.scope
    assert str(caught.value).startswith(f"Expected the source 'schedule' to decode to an {httpx.__name__}.Request ")
    assert str(caught.value).endswith(f", but got {kind}.")


@every_case("way", WAYS)
def test_a_request_of_the_other_flavour_of_httpx_fails_the_invocation(way: str) -> None:
    other = pytest.importorskip({"httpx": "httpx2", "httpx2": "httpx"}[httpx.__name__])
    handler = Bridge(Answer(), sources=[Decoding(other.Request("GET", "http://a.example/"))], lifespan="off")
    with closing(handler), pytest.raises(TypeError) as caught:
        WAYS[way](handler, {"source": "aws.events"})
    assert f"to an {httpx.__name__}.Request " in str(caught.value)
    assert str(caught.value).endswith(f", but got {other.__name__}.Request.")


@every_case("way", WAYS)
@every_case("extensions", [None, {}, {"asgi": None}, {"asgi": {}}])
def test_a_request_may_come_without_anything_for_the_scope(way: str, extensions: Any) -> None:
    app, event = Answer(), {"source": "aws.events"}
    request = httpx.Request("POST", "https://a.example/x", content=b"abc", extensions=extensions)
    with closing(Bridge(app, sources=[Decoding(request)], lifespan="off")) as handler:
        WAYS[way](handler, event)
    assert (app.scope["path"], app.body, app.scope["aws.event"], app.scope["aws.context"]) == (
        "/x",
        b"abc",
        event,
        CONTEXT,
    )


@every_case("way", WAYS)
def test_the_headers_are_those_of_the_request_and_a_client_chooses_no_connection_id(way: str) -> None:
    app = Answer()
    scope = {"http_version": "2", "headers": [(b"x-amzn-connection-id", b"forged")]}
    headers = {"host": "a.example", "X_Amzn.Connection-Id": "forged", "x-user": "ada"}
    request = httpx.Request("GET", "https://a.example/x", headers=headers, extensions={"asgi": scope})
    with closing(Bridge(app, sources=[Decoding(request)], lifespan="off")) as handler:
        WAYS[way](handler, {"source": "aws.events"})
    assert (app.scope["http_version"], app.scope["headers"]) == ("2", [(b"host", b"a.example"), (b"x-user", b"ada")])
