"""The page of chat_stream in a real Chromium: words appear one by one, Stop stops, and a broken stream is reported."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bridge._types import ASGIApp, Message, Receive, Scope, Send
from tests.integration.browser import Browser, missing_browser, open_browser
from tests.integration.sample_apps import load
from tests.integration.servers import BackgroundServer

WORDS = ["You ", "wrote ", "“Hi”. ", "I ", "am "]  # the first ones of the answer to "Hi"


class Gate:
    """ASGI middleware: a streamed response waits after each part, until the test lets it continue.

    `ended`: set when the application has ended. `held_back`: a part of the response that does not reach the client.
    """

    def __init__(self, app: ASGIApp, *, held_back: bytes | None = None) -> None:
        self._app = app
        self._held_back = held_back
        self._loop: asyncio.AbstractEventLoop
        self._passes: asyncio.Semaphore
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/chat":
            return await self._app(scope, receive, send)
        self._loop, self._passes = asyncio.get_running_loop(), asyncio.Semaphore(0)

        async def send_and_wait(message: Message) -> None:
            if self._held_back is None or message.get("body") != self._held_back:
                await send(message)
            if message.get("more_body"):
                await self._passes.acquire()

        try:
            await self._app(scope, receive, send_and_wait)
        finally:
            self.ended.set()

    def let_pass(self, parts: int) -> None:
        """Let the application continue for so many parts, after one has arrived."""
        for _ in range(parts):
            self._loop.call_soon_threadsafe(self._passes.release)


class Chat:
    """The page in a browser, with what its reader can do and see."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        browser.go_to(url)

    def say(self, message: str) -> None:
        self.browser.type("#message", message)
        self.browser.click("#send")

    def wait_for_answer(self, text: str) -> None:
        """Wait until the last answer is exactly this."""
        self.browser.wait_until(f"[...document.querySelectorAll('.theirs .text')].at(-1)?.textContent === {text!r}")

    def wait_for_status(self, text: str) -> None:
        self.browser.wait_until(f"document.querySelector('#status').textContent === {text!r}")

    def state(self) -> dict[str, Any]:
        """Return what the last answer looks like, and which buttons can be pressed."""
        state: dict[str, Any] = self.browser.run(
            """
            const answer = [...document.querySelectorAll(".theirs")].at(-1);
            const can = (id) => !document.getElementById(id).disabled;
            return {
              answer: answer.querySelector(".text").textContent,
              note: answer.querySelector(".note")?.textContent ?? null,
              wrong: answer.querySelector(".wrong") !== null,
              busy: answer.getAttribute("aria-busy"),
              send: can("send"),
              stop: can("stop"),
            };
            """
        )
        return state


OpenChat = Callable[[ASGIApp], Chat]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    reason = missing_browser()
    if reason is not None:
        pytest.skip(reason)
    with open_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
    """Return the application, whose model does not pause by itself."""
    monkeypatch.setenv("CHAT_PAUSE", "0")
    application: ASGIApp = load("chat_stream/app.py").app
    return application


@pytest.fixture
def open_chat(browser: Browser) -> Iterator[OpenChat]:
    with ExitStack() as running:

        def open_chat(app: ASGIApp) -> Chat:
            server = running.enter_context(BackgroundServer(app))
            return Chat(browser, f"http://127.0.0.1:{server.port}/")

        yield open_chat


def test_every_word_appears_before_the_next_one_is_there(open_chat: OpenChat, app: ASGIApp) -> None:
    gate = Gate(app)
    chat = open_chat(gate)
    chat.say("Hi")
    under_way = {"note": None, "wrong": False, "busy": "true", "send": False, "stop": True}
    for count in range(1, len(WORDS) + 1):
        chat.wait_for_answer("".join(WORDS[:count]))
        assert chat.state() == {"answer": "".join(WORDS[:count]), **under_way}
        gate.let_pass(1)
    gate.let_pass(100)
    chat.wait_for_status("Done.")
    state = chat.state()
    assert state.pop("answer").endswith(" Press Stop, and I stop.")
    assert state == {"note": None, "wrong": False, "busy": "false", "send": True, "stop": False}


def test_stop_ends_the_answer_in_the_application_too(
    open_chat: OpenChat, app: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(app)
    with caplog.at_level(logging.INFO, logger="chat_stream"):
        chat = open_chat(gate)
        chat.say("Hi")
        chat.wait_for_answer(WORDS[0])
        chat.browser.click("#stop")
        chat.wait_for_status("Stopped.")
        assert gate.ended.wait(30)
    assert caplog.messages == ["1 of 46 words were written."]
    stopped = {"answer": WORDS[0], "note": "Stopped.", "wrong": False, "busy": "false", "send": True, "stop": False}
    assert chat.state() == stopped
    assert chat.browser.run("return document.activeElement.id") == "message"


BROKEN_OFF = {"note": "The answer broke off.", "wrong": True, "busy": "false", "send": True, "stop": False}


def test_an_answer_that_fails_in_the_middle_is_shown_as_broken_off(open_chat: OpenChat, app: ASGIApp) -> None:
    gate = Gate(app)
    chat = open_chat(gate)
    chat.say("/fail")
    # One at a time: a browser may throw away what it has not handed over when the connection breaks.
    for words in ("You ", "You wrote ", "You wrote “/fail”. "):
        chat.wait_for_answer(words)
        gate.let_pass(1)
    chat.wait_for_status("The answer broke off.")
    assert chat.state() == {"answer": "You wrote “/fail”. ", **BROKEN_OFF}


def test_a_stream_that_ends_well_but_without_done_is_shown_as_broken_off(open_chat: OpenChat, app: ASGIApp) -> None:
    gate = Gate(app, held_back=b"event: done\ndata: {}\n\n")
    chat = open_chat(gate)
    chat.say("Hi")
    chat.wait_for_answer(WORDS[0])
    gate.let_pass(100)
    chat.wait_for_status("The answer broke off.")
    state = chat.state()
    assert state.pop("answer").endswith(" Press Stop, and I stop.")
    assert state == BROKEN_OFF


def test_a_message_that_is_refused_is_shown_as_an_error_and_the_next_one_is_answered(
    open_chat: OpenChat, app: ASGIApp
) -> None:
    chat = open_chat(app)
    chat.browser.run("document.getElementById('message').value = 'x'.repeat(1001)")  # as no reader could type it
    chat.browser.click("#send")
    chat.wait_for_status("The server refused the message (422).")
    assert chat.state() == {"answer": "", **BROKEN_OFF, "note": "The server refused the message (422)."}
    chat.say("Hi")
    chat.wait_for_status("Done.")
    assert chat.browser.run("return document.querySelectorAll('#log p').length") == 4


def test_a_server_that_has_gone_is_shown_as_an_error(browser: Browser, app: ASGIApp) -> None:
    with BackgroundServer(app) as server:
        chat = Chat(browser, f"http://127.0.0.1:{server.port}/")
    chat.say("Hi")
    chat.wait_for_status("The server could not be reached.")
    assert chat.state() == {"answer": "", **BROKEN_OFF, "note": "The server could not be reached."}


def test_a_message_never_becomes_a_part_of_the_page_which_requests_the_answer_alone(
    open_chat: OpenChat, app: ASGIApp
) -> None:
    message = "<img src=x onerror='document.title = 1'><script>document.title = 2</script>"
    chat = open_chat(app)
    chat.say(message)
    chat.wait_for_status("Done.")
    assert chat.browser.run("return document.querySelector('.mine .text').textContent") == message
    assert chat.state()["answer"].startswith(f"You wrote “{message}”. ")
    found = "return [document.title, document.querySelectorAll('#log img, #log script').length]"
    assert chat.browser.run(found) == ["Chat", 0]
    urls = "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)"
    assert chat.browser.run(urls) == ["/chat"]


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_the_page_fits_its_window_and_keeps_the_end_in_sight(
    open_chat: OpenChat, app: ASGIApp, width: int, scheme: str
) -> None:
    chat = open_chat(app)
    chat.browser.look_like(width, 480, dark=scheme == "dark")
    for _ in range(3):
        chat.say("W" * 200)  # which is wider than a phone
        chat.wait_for_status("Done.")
        chat.browser.run("document.getElementById('status').textContent = ''")
    look = chat.browser.run(
        """
        const [root, log] = [document.documentElement, document.getElementById("log")];
        const paper = getComputedStyle(document.body).backgroundColor;
        return {
          page: [root.scrollWidth, root.scrollHeight],
          log: log.scrollWidth - log.clientWidth,
          hidden: Math.round(log.scrollHeight - log.scrollTop - log.clientHeight),
          paper: paper.match(/\\d+/g).every((part) => part < 64) ? "dark" : "light",
        };
        """
    )
    assert look == {"page": [width, 480], "log": 0, "hidden": 0, "paper": scheme}
