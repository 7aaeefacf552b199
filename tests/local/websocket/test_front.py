"""The invocations of a WebSocket API, with answers that a test gives."""

import json
from typing import Any

import pytest

from bridge.local.answer import Answer
from bridge.local.failures import throttled
from bridge.local.invocation import Failure, Invocation
from bridge.local.settings import WebSocketSettings
from bridge.local.websocket import front as module_under_test
from bridge.local.websocket.front import WebSocketFront
from tests.events import load

pytestmark = pytest.mark.anyio


def front(failure: Failure | None = None, *, ends: bool = True) -> tuple[WebSocketFront, list[Answer]]:
    answers: list[Answer] = []

    def submit(invocation: Invocation) -> Answer:
        answers.append(Answer(invocation, lambda _: None))
        if ends:
            answers[-1].finish(failure)
        return answers[-1]

    return WebSocketFront(WebSocketSettings(), submit), answers


@pytest.mark.parametrize(
    ("kind", "failure", "status", "message"),
    [
        ("connect", Failure("Runtime.ExitError", "it"), 502, "Internal server error"),
        ("message", Failure("Runtime.ExitError", "it"), 500, "Internal server error"),
        ("connect", throttled(), 429, "Too Many Requests"),
        ("message", throttled(), 429, "Too Many Requests"),
    ],
)
async def test_a_function_that_fails(kind: str, failure: Failure, status: int, message: str) -> None:
    event: dict[str, Any] = load(f"websocket_{kind}")
    invocation = await front(failure)[0].invoke(event, replay_of="other", trace_id="Root=1-x")
    assert invocation.response is not None
    assert (invocation.response.status, json.loads(invocation.response.body)["message"]) == (status, message)
    assert (invocation.source, invocation.replay_of, invocation.trace_id) == ("websocket", "other", "Root=1-x")
    assert json.loads(invocation.event) == event
    assert (invocation.method, invocation.path) == (
        kind.upper(),
        f"{event['requestContext']['routeKey']} TWegAcC4DoECHnA=",
    )


async def test_the_api_waits_no_longer_than_its_limit_and_the_function_works_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module_under_test, "WAIT_LIMIT", 0.01)
    api, answers = front(ends=False)
    invocation = await api.invoke(load("websocket_message"))
    assert invocation.response is not None
    assert invocation.response.status == 504
    assert json.loads(invocation.response.body)["message"] == "Endpoint request timed out"
    await answers[0].put(b"a" * (1 << 20))  # nobody reads it, so it does not wait
    assert not answers[0].is_finished
