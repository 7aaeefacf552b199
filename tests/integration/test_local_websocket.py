"""A WebSocket API in the local gateway: real clients and processes, boto3, and a page in Chromium."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from bridge.local.invocation import Invocation
from bridge.local.settings import SourceSettings, WebSocketSettings
from tests.integration.chromium import missing_chromium, open_chromium
from tests.integration.gateway import RunningGateway
from tests.proxy.programs import free_port

LIMIT = 30.0
RUNTIMES = ["bridge", "awslambdaric"]


@contextmanager
def room(*more: SourceSettings, options: dict[str, Any] | None = None, **function: Any) -> Iterator[RunningGateway]:
    """Run the function `room` behind a WebSocket API on its first port, and behind `more`."""
    port = free_port()
    environ = {"CONNECTIONS_URL": f"http://127.0.0.1:{port}/live"}
    source = WebSocketSettings(port=port, **(options or {}))
    with RunningGateway("room:handler", source, *more, environ=environ, **function) as local:
        yield local


def url(local: RunningGateway, path: str = "/live") -> str:
    return local.url(path).replace("http:", "ws:")


def client_of(local: RunningGateway) -> Any:
    return import_module("boto3").client(
        "apigatewaymanagementapi",
        endpoint_url=local.url("/live"),
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


def closed(client: Any) -> tuple[int, str]:
    """Return the code and the reason of the gateway's close frame, after all messages."""
    with pytest.raises(ConnectionClosed) as raised:
        client.recv(timeout=LIMIT)
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


def facts(local: RunningGateway) -> list[tuple[str, int | None]]:
    """Return the kind and the status of each invocation, the oldest first, when there is nothing left to do."""
    local.wait_for(lambda: all(each.status == "done" and each.response for each in local.gateway.history))
    return [(each.method, each.response.status if each.response else None) for each in _oldest_first(local)]


def _oldest_first(local: RunningGateway) -> list[Invocation]:
    return list(local.gateway.history)[::-1]


def wait_for_end(local: RunningGateway) -> None:
    local.wait_for(lambda: any(each.method == "DISCONNECT" and each.response for each in local.gateway.history))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_conversation(runtime: Any) -> None:
    with room(runtime=runtime) as local:
        with connect(url(local), subprotocols=["chat.v1"], proxy=None) as client:  # type: ignore[list-item]
            assert client.subprotocol == "chat.v1"
            client.send("caf\u00e9")
            assert client.recv(timeout=LIMIT) == "CAF\u00c9"
            client.send("crash")
            error = json.loads(client.recv(timeout=LIMIT))
            assert (error["message"], set(error)) == ("Internal server error", {"message", "connectionId", "requestId"})
            client.send(["a" * (32 << 10)] * 4)
            assert client.recv(timeout=LIMIT) == "A" * (128 << 10)
            client.close(4000, "enough")
        wait_for_end(local)
        assert facts(local) == [
            ("CONNECT", 200),
            ("MESSAGE", 200),
            ("MESSAGE", 500),
            ("MESSAGE", 200),
            ("DISCONNECT", 200),
        ]
        assert local.logged()[-1] == "disconnect 4000 enough"
        assert {each.source for each in local.gateway.history} == {"websocket"}
        page = local.get("/_bridge/").text
        message = next(each for each in local.gateway.history if each.method == "MESSAGE")
        replayed = local.run(local.gateway.replay(message.id))
        assert replayed is not None
        assert (replayed.event, replayed.source, replayed.label, replayed.replay_of) == (
            message.event,
            "websocket",
            message.label,
            message.id,
        )
    assert message.label[1] in page
    assert "websocket" in page


def test_what_is_refused() -> None:
    with room(SourceSettings(name="function-url"), SourceSettings(name="alb")) as local:
        statuses = []
        for target in (url(local, "/live?status=403"), url(local, "/live?crash"), url(local, "/other")):
            with pytest.raises(InvalidStatus) as raised, connect(target, proxy=None):
                pass
            statuses.append(raised.value.response.status_code)
        assert statuses == [403, 502, 403]
        assert (local.get("/live").status_code, local.get("/live").json()) == (403, {"message": "Forbidden"})
        ends = []
        for message in (b"binary", "a" * ((32 << 10) + 1), ["a" * (32 << 10)] * 5):
            with connect(url(local), proxy=None) as client:
                client.send(message)
                ends.append(closed(client)[0])
        assert ends == [1003, 1009, 1009]
        # The other services have no WebSockets: the handshake is a request, which a load balancer refuses.
        others = []
        for source in (1, 2):
            with (
                pytest.raises(InvalidStatus) as raised,
                connect(local.url("/x", source).replace("http:", "ws:"), proxy=None),
            ):
                pass
            others.append(raised.value.response.status_code)
        assert others == [404, 400]


def test_the_management_api_with_boto3() -> None:
    with room(options={"has_route_response": True}) as local:
        clients = client_of(local)
        with connect(url(local), user_agent_header="tests", proxy=None) as client:
            assert local.gateway.websocket is not None
            (id,) = local.gateway.websocket.connections
            found = clients.get_connection(ConnectionId=id)
            assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tests"}
            assert found["ConnectedAt"] <= found["LastActiveAt"]
            clients.post_to_connection(ConnectionId=id, Data=b"from outside")
            assert client.recv(timeout=LIMIT) == "from outside"
            with pytest.raises(clients.exceptions.PayloadTooLargeException):
                clients.post_to_connection(ConnectionId=id, Data=b"a" * ((128 << 10) + 1))
            client.send("hi")
            assert {client.recv(timeout=LIMIT), client.recv(timeout=LIMIT)} == {"HI", "answer to hi"}
            refused = local.client.get(local.url(f"/live/@connections/{id}"), headers={"host": "evil.example"})
            assert refused.status_code == 403
            clients.delete_connection(ConnectionId=id)
            assert closed(client) == (1000, "Connection Closed Normally")
        wait_for_end(local)
        assert local.logged()[-1] == "disconnect 1000 Connection Closed Normally"
        for gone in (id, "never="):
            with pytest.raises(clients.exceptions.GoneException):
                clients.post_to_connection(ConnectionId=gone, Data=b"late")
        clients.close()


def test_messages_have_routes_and_reach_frozen_and_new_environments() -> None:
    with room(options={"route_keys": ("whole",), "stage": "live"}, freezes=True) as local:
        with connect(url(local), proxy=None) as client:
            client.send('{"action": "whole"}')
            client.recv(timeout=LIMIT)
            local.run(local.gateway.cold_start())
            client.send("whole event")
            assert json.loads(client.recv(timeout=LIMIT))[0] == "$default"
        wait_for_end(local)
        keys = [json.loads(each.event)["requestContext"]["routeKey"] for each in local.gateway.history]
    assert keys[::-1] == ["$connect", "whole", "$default", "$disconnect"]


def test_the_end_of_the_gateway_is_the_end_of_its_connections() -> None:
    with ExitStack() as stack:
        with room() as local:
            client = stack.enter_context(connect(url(local), proxy=None))
        assert closed(client) == (1001, "Going away")
    assert [each.method for each in _oldest_first(local)] == ["CONNECT", "DISCONNECT"]


PAGE = """<!doctype html><ul id="log"></ul><script>
const socket = new WebSocket("ADDRESS", ["chat.v1"]);
const log = (text) => document.querySelector("#log").appendChild(document.createElement("li")).textContent = text;
socket.onopen = () => { log("open " + socket.protocol); socket.send("from a page"); };
socket.onmessage = (event) => { log(event.data); socket.close(4000, "done"); };
socket.onclose = (event) => log("closed " + event.code);
</script>"""


def test_a_page_in_chromium(tmp_path: Path) -> None:
    reason = missing_chromium()
    if reason is not None:
        pytest.skip(reason)
    with room() as local, open_chromium() as browser:
        file = tmp_path / "page.html"
        file.write_text(PAGE.replace("ADDRESS", url(local)))
        page = browser.new_page()
        page.goto(file.as_uri())
        page.locator("li", has_text="closed").wait_for(timeout=1000 * LIMIT)
        assert page.locator("li").all_inner_texts() == ["open chat.v1", "FROM A PAGE", "closed 4000"]
        wait_for_end(local)
        event = json.loads(list(local.gateway.history)[-1].event)
    assert "Mozilla" in event["requestContext"]["identity"]["userAgent"]
