"""The streaming chat in process: every event in its folder, its page, its image and its README.

test_chat_page.py has the page in a browser, test_sample_runtimes.py the application under `python -m bridge.runtime`.
"""

import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fastapi import FastAPI

from bridge import Bridge
from tests.integration.chat_answers import ANSWER, DONE, EVENT_STREAM, WORDS, Streamed, chat_streams, prelude, token
from tests.integration.pages import Page
from tests.integration.sample_apps import SAMPLE_APPS, event_names, load, read_event, run_readme, with_cookies

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # as under bridge's runtime; the application itself sleeps with asyncio


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_PAUSE", "0")


@pytest.fixture
async def chat() -> AsyncIterator[Bridge]:
    async with Bridge(load("chat_stream/app.py").app) as handler:
        yield handler


def test_the_application_has_no_adapter_in_it() -> None:
    assert isinstance(load("chat_stream/app.py").app, FastAPI)
    assert "bridge" not in (SAMPLE_APPS / "chat_stream" / "app.py").read_text()


async def stream(handler: Bridge, event: dict[str, Any]) -> Streamed:
    async with handler.stream(event, None) as response:
        return response.prelude, [part async for part in response.body]


async def test_the_chat_streams_its_events(chat: Bridge) -> None:
    names = [name for name in event_names("chat_stream") if name != "chat_that_fails"]
    assert {name: await stream(chat, read_event("chat_stream", name)) for name in names} == chat_streams()


async def test_the_chat_answers_its_events_in_one_piece_too(chat: Bridge) -> None:
    for name, (head, parts) in chat_streams().items():
        result = await chat.handle(read_event("chat_stream", name), None)
        length = {"content-length": result["headers"].pop("content-length", None)}
        body = b"".join(parts).decode()
        assert result == {**head, "body": body, "isBase64Encoded": False}
        assert length == {"content-length": None if name == "chat" else str(len(body.encode()))}


async def test_an_answer_that_fails_ends_with_neither_done_nor_a_clean_end(
    chat: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="chat_stream"):
        async with chat.stream(read_event("chat_stream", "chat_that_fails"), None) as response:
            parts = [await anext(response.body) for _ in range(3)]
            with pytest.raises(Exception, match=r"^The model lost its thread\.$") as failed:
                await anext(response.body)
    assert (response.prelude, parts) == (EVENT_STREAM, [*map(token, ("You ", "wrote ", "“/fail”. "))])
    assert type(failed.value).__name__ == "ModelFailed"
    assert caplog.messages == ["3 of 46 words were written."]


async def test_an_answer_that_fails_is_500_in_one_piece(chat: Bridge) -> None:
    result = await chat.handle(read_event("chat_stream", "chat_that_fails"), None)
    assert result == with_cookies("text/plain; charset=utf-8", "Internal Server Error", status=500)


async def test_the_model_writes_no_word_ahead_of_its_reader(chat: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    """And it stops once the reader has gone: the second word was on its way then, the third was never written."""
    with caplog.at_level(logging.INFO), anyio.fail_after(4):
        async with chat.stream(read_event("chat_stream", "chat"), None) as response:
            assert await anext(response.body) == token("You ")
            await anyio.wait_all_tasks_blocked()
            assert caplog.messages == []
    assert caplog.messages == ["2 of 50 words were written."]


async def test_a_reader_that_leaves_before_the_first_word_leaves_nothing_open(
    chat: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), anyio.fail_after(4):
        async with chat.stream(read_event("chat_stream", "chat"), None):
            pass
    assert caplog.messages == ["1 of 50 words were written."]


@pytest.mark.parametrize(
    "message",
    [
        "{message}{0}",
        "two\nlines, data: and\r\n\r\nmore",
        "\u2028 \x00",
        'event: done\ndata: "',
        "x" * 1000,
        "a " * 499,
    ],
)
async def test_whatever_a_message_has_in_it_comes_back_as_it_was(chat: Bridge, message: str) -> None:
    event = read_event("chat_stream", "chat") | {"body": json.dumps({"message": message})}
    _, parts = await stream(chat, event)
    lines = [part.decode().split("\n") for part in parts]
    assert {len(each) for each in lines} == {4}
    assert [each[0] for each in lines] == ["event: token"] * (len(lines) - 1) + ["event: done"]
    text = "".join(json.loads(each[1].removeprefix("data: ")).get("text", "") for each in lines)
    assert text == ANSWER.replace("Grüße! Does <b>this</b> stay text?", message.strip())


@pytest.mark.parametrize("body", ['{"message":"' + "x" * 1001 + '"}', "{}", "{", '{"message":["x"]}', ""])
async def test_what_is_no_message_is_refused(chat: Bridge, body: str) -> None:
    head, _ = await stream(chat, read_event("chat_stream", "chat") | {"body": body})
    assert head == prelude("application/json", status=422)


async def test_the_chat_has_no_page_about_its_api(chat: Bridge) -> None:
    """FastAPI's pages load their scripts from elsewhere."""
    for path in ("/docs", "/redoc", "/openapi.json"):
        event = read_event("chat_stream", "page") | {"rawPath": path}
        assert (await chat.handle(event, None))["statusCode"] == 404


def test_the_page_of_the_chat_is_whole_and_asks_nobody_else() -> None:
    page = Page((SAMPLE_APPS / "chat_stream" / "page.html").read_text())
    assert (page.faults, page.urls, page.labelled) == ([], ["data:,"], ["message"])
    text = "".join(page.styles + page.scripts)
    assert re.findall(r"//\S+|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", text) == []
    # What the script looks for is there.
    found = re.search(r"\[([^]]+)\]\.map\(\(id\) => document\.getElementById", text)
    assert found is not None
    assert set(json.loads(f"[{found[1]}]")) == set(page.ids)


def test_the_image_of_the_chat_has_its_files() -> None:
    folder = SAMPLE_APPS / "chat_stream"
    lines = (folder / "Dockerfile").read_text().splitlines()
    copied = " ".join(
        line.removeprefix("COPY ").rpartition(" ")[0] for line in lines if line.startswith("COPY ")
    ).split()
    assert sorted(copied) == ["app.py", "page.html", "requirements.txt"]
    assert [name for name in copied if not (folder / name).is_file()] == []
    assert lines[-2:] == ['ENTRYPOINT ["python", "-m", "bridge.runtime"]', 'CMD ["app:app"]']


def test_the_code_in_the_readme_of_the_chat_shows_its_answer() -> None:
    text = b"".join([*map(token, WORDS), DONE]).decode()
    assert run_readme("chat_stream") == [str(EVENT_STREAM), *text.splitlines()]
