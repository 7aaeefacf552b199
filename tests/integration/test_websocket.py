"""WebSocket APIs: frameworks, the runtimes under AWS's emulator, and a reply through the management API with boto3."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from flask import Flask, jsonify
from flask import request as flask_request
from pydantic import BaseModel

from bridge import Bridge, Handler
from tests.events import load
from tests.integration.conftest import StartEmulator, StartManaged
from tests.integration.emulated import STREAMS, request

DOCS = Path(__file__).parents[2] / "docs" / "websocket.md"

ID = "TWegAcC4DoECHnA="
HEADER = "x-amzn-connection-id"

Invoke = Callable[[object], tuple[int, Any]]


class Message(BaseModel):
    action: str
    text: str


def with_fastapi() -> Handler:
    app = FastAPI()

    @app.post("/websocket/message")
    async def message(message: Message, request: FastAPIRequest) -> list[Any]:
        event = request.scope["aws.event"]
        return [message.text, request.headers[HEADER], event["requestContext"]["stage"]]

    return Bridge(app)


def with_flask() -> Handler:
    app = Flask(__name__)

    @app.post("/websocket/message")
    def message() -> Any:
        event = flask_request.environ["aws.event"]
        told = [flask_request.json["text"], flask_request.headers[HEADER], event["requestContext"]["stage"]]
        return jsonify(told)

    return Bridge(app)


@pytest.mark.parametrize("make", [with_fastapi, with_flask])
def test_a_route_of_a_framework_gets_a_message(make: Callable[[], Handler]) -> None:
    with closing(make()) as handler:
        result = handler(load("websocket_message"), None)
        assert (result["statusCode"], json.loads(result["body"])) == (200, ["caf\u00e9", ID, "prod"])
        assert (result["headers"]["content-type"], result["isBase64Encoded"]) == ("application/json", False)
        assert handler(load("websocket_connect"), None)["statusCode"] == 404  # no such route: the client is refused


# The runtimes.


def check_conversation(invoke: Invoke) -> None:
    status, accepted = invoke(load("websocket_connect"))
    assert (status, accepted["statusCode"], accepted["headers"]["sec-websocket-protocol"]) == (200, 200, "chat.v2")
    no_query = {"queryStringParameters": None, "multiValueQueryStringParameters": None}
    assert invoke(load("websocket_connect", **no_query))[1]["statusCode"] == 403
    _, answered = invoke(load("websocket_message"))
    assert (answered["statusCode"], json.loads(answered["body"])) == (200, ["caf\u00e9", ID])
    _, failed = invoke(load("websocket_message", body='{"text": "broken"}'))
    assert failed["statusCode"] == 500
    assert "errorType" not in failed
    assert invoke(load("websocket_disconnect"))[1]["body"] == "1001"


@pytest.mark.parametrize(
    ("runtime", "environ"),
    [
        ("awslambdaric", {}),
        ("bridge.runtime", {}),
        ("bridge.runtime", STREAMS),
        ("bridge.runtime", {"BRIDGE_MODE": "proxy"}),
    ],
)
def test_a_conversation_by_each_runtime_and_mode(
    start_emulator: StartEmulator, runtime: str, environ: dict[str, str]
) -> None:
    chat = start_emulator(command=[sys.executable, "-m", runtime, "chat.handler"], **environ)

    def invoke(event: object) -> tuple[int, Any]:
        status, payload = chat.invoke(event)
        return status, payload

    check_conversation(invoke)
    page = chat.exchange(request("GET", "/"))
    assert (page.status, page.body.count(b"page"), bytes(8) in page.body) == (200, 1, environ is STREAMS)


@pytest.mark.parametrize("environ", [{}, STREAMS])
def test_a_conversation_in_many_slots(start_managed: StartManaged, environ: dict[str, str]) -> None:
    chat = start_managed([sys.executable, "-m", "bridge.runtime", "chat.handler"], max_concurrency=4, **environ)
    texts = [str(number) for number in range(4)]  # one for each slot
    answers = chat.invoke_many(load("websocket_message", body=json.dumps({"text": text})) for text in texts)
    assert [json.loads(answer.payload["body"]) for answer in answers] == [[text, ID] for text in texts]

    def invoke(event: object) -> tuple[int, Any]:
        chat.wait_for_polls()  # the emulator refuses what comes while no slot polls
        answer = chat.invoke(event)
        return answer.status, answer.payload

    check_conversation(invoke)


# The management API.


class ManagementAPI(BaseHTTPRequestHandler):
    """Keeps what is sent to a connection. One connection has gone."""

    sent: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.sent.append((self.path, body))
        assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        self.send_response(410 if "gone" in self.path else 200)
        if "gone" in self.path:
            self.send_header("x-amzn-ErrorType", "GoneException")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def management_api() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    sent: list[tuple[str, bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (ManagementAPI,), {"sent": sent}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/live", sent
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_example_in_the_docs_replies_through_the_management_api(
    management_api: tuple[str, list[tuple[str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, sent = management_api
    variables = {"CONNECTIONS_URL": url, "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in (variables | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}).items():
        monkeypatch.setenv(name, value)
    example, _ = re.findall(
        r"^```(?:python|yaml)\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    module: dict[str, Any] = {"__name__": "websocket_docs"}
    exec(compile(example, str(DOCS), "exec"), module)
    with closing(module["handler"]) as handler, closing(module["clients"]):
        other = load("websocket_connect", headers={"sec-websocket-protocol": "mqtt"}, multiValueHeaders=None)
        assert handler(other, None)["statusCode"] == 400
        offered = {"Sec-WebSocket-Protocol": ["chat.v1"]}
        accepted = handler(load("websocket_connect", multiValueHeaders=offered, headers=None), None)
        assert (accepted["statusCode"], accepted["headers"]["sec-websocket-protocol"]) == (200, "chat.v1")
        assert handler(load("websocket_message"), None)["statusCode"] == 200
        assert sent == [("/live/@connections/TWegAcC4DoECHnA%3D", "CAF\u00c9".encode())]
        gone = load("websocket_message", requestContext__connectionId="gone=")
        assert (handler(gone, None)["statusCode"], capsys.readouterr().out) == (200, "The client has left.\n")
        assert handler(load("websocket_disconnect"), None)["statusCode"] == 200
        body = json.dumps({"text": "forged"})
        headers = {HEADER: ID, "x_amzn_connection_id": ID, "content-type": "application/json"}
        forged = handler(request("POST", "/websocket/message", body=body, headers=headers), None)
        assert (forged["statusCode"], len(sent)) == (422, 2)
