"""The streaming chat, in process and under `python -m bridge.runtime`. test_chat_page.py has its page in a browser."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge import Bridge
from tests.integration.conftest import StartSample
from tests.integration.sample_apps import event_names, load, read_event, with_cookies
from tests.runtime.double import RuntimeDouble

pytestmark = pytest.mark.anyio

# A prelude, and the parts of a body.
Streamed = tuple[dict[str, Any], list[bytes]]


def token(text: str) -> bytes:
    return f'event: token\ndata: {{"text":{json.dumps(text)}}}\n\n'.encode()


DONE = b"event: done\ndata: {}\n\n"

ANSWER = (
    "You wrote “Grüße! Does <b>this</b> stay text?”. I am not a language model: my answer was ready before you asked. "
    "But it arrives as a model's answer would, one word after the other, and each new word is sent as soon as it is "
    "ready. Press Stop, and I stop."
)
WORDS = [f"{word} " for word in ANSWER.split(" ")[:-1]] + ["stop."]


def prelude(content_type: str, *, status: int = 200) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type}, "cookies": []}


EVENT_STREAM = {
    "statusCode": 200,
    "headers": {"cache-control": "no-store", "content-type": "text/event-stream; charset=utf-8"},
    "cookies": [],
}


# The answers to the events that succeed, except for the page's.
STREAMS: dict[str, Streamed] = {
    "chat": (EVENT_STREAM, [*map(token, WORDS), DONE]),
    "health": (prelude("application/json"), [b'{"status":"ok"}']),
}
FAILED_WORDS = [*map(token, ("You ", "wrote ", "“/fail”. "))]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # as under bridge's runtime; the application itself sleeps with asyncio


@pytest.fixture
async def chat(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bridge]:
    monkeypatch.setenv("CHAT_PAUSE", "0")
    async with Bridge(load("chat_stream/app.py").app) as handler:
        yield handler


async def stream(handler: Bridge, event: dict[str, Any]) -> Streamed:
    async with handler.stream(event, None) as response:
        return response.prelude, [part async for part in response.body]


async def test_the_chat_streams_its_events(chat: Bridge) -> None:
    assert {*STREAMS, "chat_that_fails", "chat_without_words", "page"} == set(event_names("chat_stream"))
    assert {name: await stream(chat, read_event("chat_stream", name)) for name in STREAMS} == STREAMS
    refusal, _ = await stream(chat, read_event("chat_stream", "chat_without_words"))
    assert refusal == prelude("application/json", status=422)


async def test_an_answer_that_fails_ends_with_neither_done_nor_a_clean_end(
    chat: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="chat_stream"):
        async with chat.stream(read_event("chat_stream", "chat_that_fails"), None) as response:
            parts = [await anext(response.body) for _ in range(3)]
            with pytest.raises(Exception, match=r"^The model lost its thread\.$"):
                await anext(response.body)
    assert (response.prelude, parts) == (EVENT_STREAM, FAILED_WORDS)
    assert caplog.messages == ["3 of 46 words were written."]
    result = await chat.handle(read_event("chat_stream", "chat_that_fails"), None)
    assert result == with_cookies("text/plain; charset=utf-8", "Internal Server Error", status=500)


async def test_the_model_stops_when_its_reader_leaves(chat: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with asyncio.timeout(30), chat.stream(read_event("chat_stream", "chat"), None) as response:
            assert await anext(response.body) == token("You ")
    # The second word was on its way then, and the third was never written.
    assert caplog.messages == ["2 of 50 words were written."]


async def test_a_message_comes_back_unchanged_or_is_refused(chat: Bridge) -> None:
    event = read_event("chat_stream", "chat")
    for message in (
        "{message}{0}",
        "two\nlines, data: and\r\n\r\nmore",
        "\u2028 \x00",
        'event: done\ndata: "',
        "x" * 1000,
    ):
        _, parts = await stream(chat, event | {"body": json.dumps({"message": message})})
        events = [part.decode().split("\n") for part in parts]
        assert [lines[0] for lines in events] == ["event: token"] * (len(events) - 1) + ["event: done"]
        text = "".join(json.loads(lines[1].removeprefix("data: ")).get("text", "") for lines in events)
        assert text == ANSWER.replace("Grüße! Does <b>this</b> stay text?", message.strip())
    for body in ('{"message":"' + "x" * 1001 + '"}', "{}", "{", '{"message":["x"]}', ""):
        head, _ = await stream(chat, event | {"body": body})
        assert head == prelude("application/json", status=422), body


async def test_the_page_may_run_its_own_script_alone(chat: Bridge) -> None:
    page = await chat.handle(read_event("chat_stream", "page"), None)
    assert page["headers"]["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert page["headers"]["x-content-type-options"] == "nosniff"
    docs = await chat.handle(read_event("chat_stream", "page") | {"rawPath": "/docs"}, None)
    assert docs["statusCode"] == 404  # FastAPI's own pages load their scripts from elsewhere


def test_under_the_runtime_every_word_is_a_chunk(api: RuntimeDouble, start_sample: StartSample) -> None:
    runtime = start_sample("chat_stream", CHAT_PAUSE="0")
    for name, (head, parts) in STREAMS.items():
        answer = api.invoke(read_event("chat_stream", name)).answer()
        assert (answer.prelude, answer.payload, answer.error) == (head, b"".join(parts), None)
        if name == "chat":
            assert [data for _, data in answer.chunks][-len(WORDS) - 1 :] == [*map(token, WORDS), DONE]
    failed = api.invoke(read_event("chat_stream", "chat_that_fails")).answer()
    assert (failed.prelude, failed.payload) == (EVENT_STREAM, b"".join(FAILED_WORDS))
    assert (failed.error["errorType"], failed.error["errorMessage"]) == ("ModelFailed", "The model lost its thread.")
    runtime.wait_for_log("ModelFailed: The model lost its thread.")
