"""The streaming chat, in process and under `python -m bridge.runtime`. test_chat_page.py has its page in a browser."""

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bridge import Bridge
from tests.integration.chat_answers import ANSWER, DONE, EVENT_STREAM, WORDS, Streamed, chat_streams, prelude, token
from tests.integration.conftest import StartSample
from tests.integration.sample_apps import event_names, load, read_event, with_cookies
from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

pytestmark = pytest.mark.anyio

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
    expected = chat_streams()
    assert {*expected, "chat_that_fails", "page"} == set(event_names("chat_stream"))
    assert {name: await stream(chat, read_event("chat_stream", name)) for name in expected} == expected


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
    for name, (head, parts) in chat_streams().items():
        answer = api.invoke(read_event("chat_stream", name)).answer()
        assert (answer.prelude, answer.payload, answer.error) == (head, b"".join(parts), None)
        if name == "chat":
            assert [data for _, data in answer.chunks][-len(WORDS) - 1 :] == [*map(token, WORDS), DONE]
    failed = api.invoke(read_event("chat_stream", "chat_that_fails")).answer()
    assert (failed.prelude, failed.payload) == (EVENT_STREAM, b"".join(FAILED_WORDS))
    assert (failed.error["errorType"], failed.error["errorMessage"]) == ("ModelFailed", "The model lost its thread.")
    runtime.wait_for_log("ModelFailed: The model lost its thread.")


GATED_CHAT = """
import asyncio, os
from tests.integration.sample_apps import load

chat = load("chat_stream/app.py").app

async def app(scope, receive, send):
    async def send_and_wait(message):
        await send(message)
        if message.get("more_body"):
            await asyncio.to_thread(os.read, int(os.environ["GATE"]), 1)

    await chat(scope, receive, send_and_wait)
"""


class Gate:
    """The chat in a process of its own, which goes on after each part of an answer when the test lets it."""

    def __init__(self, start_runtime: Runtimes) -> None:
        self._far_end, self._near_end = os.pipe()
        environ = {"AWS_LWA_INVOKE_MODE": "response_stream", "CHAT_PAUSE": "0", "GATE": str(self._far_end)}
        environ["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
        self.runtime: Runtime = start_runtime(GATED_CHAT, "app:app", pass_fds=(self._far_end,), **environ)

    def let_pass(self, parts: int) -> None:
        os.write(self._near_end, b"." * parts)

    def close(self) -> None:
        os.close(self._near_end)
        os.close(self._far_end)


@pytest.fixture
def gate(start_runtime: Runtimes) -> Iterator[Gate]:
    gate = Gate(start_runtime)
    yield gate
    gate.close()


def wait_for_words(chat: Invocation, count: int) -> None:
    """Wait until the first words of the answer have arrived, and no others."""
    words = [token(word) for word in WORDS[:count]]
    # The prelude ends with eight null bytes.
    chat.wait_for(lambda body: body.rpartition(bytes(8))[2] == b"".join(words))


def test_a_word_arrives_before_the_next_one_is_written(api: RuntimeDouble, gate: Gate) -> None:
    chat = api.invoke(read_event("chat_stream", "chat"))
    for count in range(1, 4):
        wait_for_words(chat, count)
        gate.let_pass(1)
    gate.let_pass(len(WORDS))
    answer = chat.answer()
    assert (answer.prelude, answer.payload) == (EVENT_STREAM, b"".join([*map(token, WORDS), DONE]))


def test_under_the_runtime_the_model_stops_when_its_reader_has_gone(api: RuntimeDouble, gate: Gate) -> None:
    chat = api.invoke(read_event("chat_stream", "chat"))
    wait_for_words(chat, 1)
    chat.hang_up()
    assert not chat.answer().is_whole  # the connection is gone by now
    gate.let_pass(len(WORDS))
    assert re.search(r"\b[1-9] of 50 words were written\.$", gate.runtime.wait_for_log("words were written"))
    assert api.invoke(read_event("chat_stream", "health")).answer().payload == b'{"status":"ok"}'
