"""Events that are not HTTP requests, and those of WebSocket APIs, in front of a web server."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import Settings
from bridge.errors import DeadlineExceeded, EventFailed, OriginBroken
from tests.events import load
from tests.events.records import CUSTOM, failures, queue
from tests.logged import assert_logged
from tests.proxy.programs import MakeEvent, Serve
from tests.proxy.test_child import CONTEXT

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

CLOSED = Settings(pass_through_path="/internal/events")


def test_the_web_server_gets_a_post_with_the_event_and_its_json_is_the_result(serve: Serve) -> None:
    _, handler = serve()
    event = queue("1") | {"requestContext": {"condition": "Success"}}  # as the event of a destination has one
    found: dict[str, Any] = handler(event, CONTEXT)
    headers = dict(found["headers"])
    context = json.loads(headers.pop("x-amzn-lambda-context"))
    length = str(len(found["body"]))
    assert (found["method"], found["target"], json.loads(found["body"])) == ("POST", "/events", event)
    assert context["request_id"] == CONTEXT.aws_request_id
    expected = {"host": "localhost", "content-type": "application/json", "content-length": length}
    assert headers == expected | {"x-amz-tenant-id": "acme"}  # and no x-amzn-request-context: no client has sent it


@pytest.mark.parametrize("event", [[{"arguments": {}}], "text", None, 5])
def test_an_event_may_be_any_json(serve: Serve, event: Any) -> None:
    _, handler = serve()
    assert json.loads(handler(event, None)["body"]) == event


def test_what_fails_fails_the_invocation_with_its_cause(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    _, handler = serve(answers={"/events": 404})
    with pytest.raises(EventFailed, match=r"POST /events .*404"):
        handler(CUSTOM, None)
    _, broken = serve({"settings": Settings(pass_through_path="/broken")})
    with pytest.raises(OriginBroken, match="incomplete chunked read"):
        broken(CUSTOM, None)
    assert_logged(caplog)


def test_a_web_server_that_is_late_fails_the_invocation_before_lambda_does(serve: Serve) -> None:
    end = time.time() + 0.5
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: (end - time.time()) * 1000)
    _, handler = serve({"settings": Settings(pass_through_path="/hang")})
    with pytest.raises(DeadlineExceeded):
        handler(CUSTOM, context)


def test_each_record_is_a_request_of_its_own(serve: Serve) -> None:
    program, handler = serve({"settings": Settings(batch="per-record")})
    assert handler(queue("1", "2", "3"), None) == failures()
    assert program.targets.count("POST /events") == 3


def test_a_path_that_is_set_is_closed_to_clients(serve: Serve, make_event: MakeEvent) -> None:
    program, handler = serve({"settings": CLOSED})
    for path in ("/internal/events", "/internal%2Fevents", "//internal/EVENTS/"):
        assert handler(make_event("POST", path), None)["statusCode"] == 403
    assert handler(CUSTOM, None)["target"] == "/internal/events"
    assert [target for target in program.targets if target != "GET /health"] == ["POST /internal/events"]


@pytest.mark.parametrize("name", ["connect", "message", "disconnect"])
def test_a_web_server_gets_the_events_of_a_websocket_api_with_the_id_of_the_connection(serve: Serve, name: str) -> None:
    _, handler = serve({"settings": Settings(compression=True)})
    forged = {"x-amzn-connection-id": "victim=", "X_Amzn_Connection_Id": "victim="}
    event = load(f"websocket_{name}", headers=forged, multiValueHeaders=None)
    result = handler(event, None)
    found = json.loads(result["body"])
    headers = dict(found["headers"])
    named = [pair for pair in found["headers"] if "connection" in pair[0] and pair[0] != "connection"]
    assert (found["method"], found["target"].partition("?")[0]) == ("POST", f"/websocket/{name}")
    assert named == [["x-amzn-connection-id", "TWegAcC4DoECHnA="]]
    assert json.loads(headers["x-amzn-request-context"]) == event["requestContext"]
    assert found["body"].encode("latin-1").decode() == (event.get("body") or "")
    assert headers["content-length"] == str(len(found["body"]))
    assert set(result["headers"]) == {"content-type", "content-length"}  # and no vary


def test_no_client_of_a_web_server_can_forge_the_connection_or_reach_its_path(
    serve: Serve, make_event: MakeEvent
) -> None:
    program, handler = serve({"settings": Settings(websocket_path="/internal/chat")})
    forged = {"x-amzn-connection-id": "victim=", "X_Amzn_Connection_Id": "victim="}
    found = json.loads(handler(make_event("POST", "/websocket/message", headers=forged), None)["body"])
    assert [pair for pair in found["headers"] if pair[1] == "victim="] == []
    for path in ("/internal/chat/message", "/internal%2Fchat/connect", "//internal/CHAT/", "/internal/chat"):
        assert handler(make_event("POST", path), None)["statusCode"] == 403
    assert handler(load("websocket_connect"), None)["statusCode"] == 200
    targets = [target for target in program.targets if target != "GET /health"]
    assert targets == ["POST /websocket/message", "POST /internal/chat/connect?tag=a&tag=b&q=x+y%26z"]
