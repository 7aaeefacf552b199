"""The sample applications under `python -m bridge.runtime`: what is on its way while the application still runs."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.chat_answers import DONE, EVENT_STREAM, WORDS, chat_streams, token
from tests.integration.gates import Gates
from tests.integration.sample_apps import SAMPLE_APPS, read_event
from tests.runtime.double import Invocation, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

Start = Callable[..., Runtime]


@pytest.fixture
def start(api: RuntimeDouble) -> Iterator[Start]:
    """`start("chat_stream", CHAT_PAUSE="0")`: the function as its template has Lambda start it."""
    with ExitStack() as running:

        def start(app: str, **environ: str) -> Runtime:
            template = (SAMPLE_APPS / app / "template.yaml").read_text()
            variables = dict(re.findall(r"^ {10}([A-Z_]+): (\S+)", template, re.MULTILINE))
            handler = re.search(r"^ {6}Handler: (\S+)", template, re.MULTILINE)
            assert handler is not None
            wrapper = str(SAMPLE_APPS / app) + variables.pop("AWS_LAMBDA_EXEC_WRAPPER").removeprefix("/var/task")
            variables |= {
                "AWS_LAMBDA_FUNCTION_NAME": app,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "LAMBDA_TASK_ROOT": str(SAMPLE_APPS / app),
                "PATH": os.defpath,
                "PYTHONDONTWRITEBYTECODE": "1",
                "_HANDLER": handler[1],
            }
            command = [wrapper, sys.executable, "/var/runtime/bootstrap.py"]
            runtime = Runtime(command, SAMPLE_APPS / app, variables | environ, ())
            running.callback(runtime.end)
            return runtime

        yield start


# chat_stream


def test_the_chat_streams_its_events(api: RuntimeDouble, start: Start) -> None:
    start("chat_stream", CHAT_PAUSE="0")
    expected = chat_streams()
    answers = {name: api.invoke(read_event("chat_stream", name)).answer() for name in expected}
    assert {name: (answer.prelude, answer.payload) for name, answer in answers.items()} == {
        name: (prelude, b"".join(parts)) for name, (prelude, parts) in expected.items()
    }
    assert {(answer.has_prelude, answer.is_whole, answer.error) for answer in answers.values()} == {(True, True, None)}


def test_every_word_is_a_chunk_of_its_own(api: RuntimeDouble, start: Start) -> None:
    start("chat_stream", CHAT_PAUSE="0")
    chunks = [data for _, data in api.invoke(read_event("chat_stream", "chat")).answer().chunks]
    assert chunks[-len(WORDS) - 1 :] == [*map(token, WORDS), DONE]


def test_an_answer_that_fails_ends_with_an_error_behind_its_words(api: RuntimeDouble, start: Start) -> None:
    runtime = start("chat_stream", CHAT_PAUSE="0")
    failed = api.invoke(read_event("chat_stream", "chat_that_fails")).answer()
    assert (failed.prelude, failed.payload) == (EVENT_STREAM, b"".join(map(token, ("You ", "wrote ", "“/fail”. "))))
    assert (failed.error["errorType"], failed.error["errorMessage"]) == ("ModelFailed", "The model lost its thread.")
    assert "ModelFailed: The model lost its thread." in runtime.wait_for_log("ModelFailed")
    health = api.invoke(read_event("chat_stream", "health")).answer()
    assert (health.payload, health.error) == (b'{"status":"ok"}', None)


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

    def __init__(self, start_runtime: Runtimes, **environ: str) -> None:
        self._far_end, self._near_end = os.pipe()
        environ |= {"AWS_LWA_INVOKE_MODE": "response_stream", "CHAT_PAUSE": "0", "GATE": str(self._far_end)}
        self.runtime = start_runtime(GATED_CHAT, "app:app", pass_fds=(self._far_end,), **environ)

    def let_pass(self, parts: int) -> None:
        os.write(self._near_end, b"." * parts)

    def close(self) -> None:
        os.close(self._near_end)
        os.close(self._far_end)


@pytest.fixture
def gate(start_runtime: Runtimes) -> Iterator[Gate]:
    gate = Gate(start_runtime, AWS_LAMBDA_LOG_LEVEL="INFO")
    yield gate
    gate.close()


def words_in(body: bytes) -> list[bytes]:
    """The events in a body behind its prelude, each with its end."""
    return [part + b"\n\n" for part in body.rpartition(bytes(8))[2].split(b"\n\n")[:-1]]


def wait_for_words(chat: Invocation, count: int) -> None:
    """Until the first words of the answer are there, these and no others."""
    words = [token(word) for word in WORDS[:count]]
    chat.wait_for(lambda body: words_in(body) == words)


def test_a_word_arrives_before_the_next_one_is_written(api: RuntimeDouble, gate: Gate) -> None:
    chat = api.invoke(read_event("chat_stream", "chat"))
    for count in range(1, 6):
        # The application writes no further word until it is let pass: whatever waited for one would wait for ever.
        wait_for_words(chat, count)
        gate.let_pass(1)
    gate.let_pass(len(WORDS))
    answer = chat.answer()
    assert (answer.prelude, answer.payload) == (EVENT_STREAM, b"".join([*map(token, WORDS), DONE]))


def test_the_model_stops_when_its_reader_has_gone(api: RuntimeDouble, gate: Gate) -> None:
    chat = api.invoke(read_event("chat_stream", "chat"))
    wait_for_words(chat, 1)
    chat.hang_up()
    assert not chat.answer().is_whole  # the connection is gone by now
    gate.let_pass(len(WORDS))
    assert re.search(r"\b[1-9] of 50 words were written\.$", gate.runtime.wait_for_log("words were written"))
    health = api.invoke(read_event("chat_stream", "health")).answer()
    assert health.payload == b'{"status":"ok"}'


# background_mail


def ask(api: RuntimeDouble, name: str) -> dict[str, Any]:
    result: dict[str, Any] = api.invoke(read_event("background_mail", name)).answer().json
    return result


def states(page: dict[str, Any]) -> list[str]:
    """The states of the mails that a page of the outbox lists."""
    assert page["statusCode"] == 200
    return re.findall(r"<td>(\w+)</td></tr>", page["body"])


SENT = {
    "statusCode": 303,
    "headers": {"content-length": "0", "location": "https://m1a2i3l4s5.execute-api.eu-west-1.amazonaws.com/"},
    "cookies": [],
    "body": "",
    "isBase64Encoded": False,
}


def test_the_answer_is_there_before_the_mail_is_sent(api: RuntimeDouble, start: Start, tmp_path: Path) -> None:
    start("background_mail", MAIL_FOLDER=str(tmp_path), MAIL_SECONDS="0")
    api.wait_for_polls(1)
    with Gates(tmp_path / "1.eml") as gate:
        assert ask(api, "2_send") == SENT
        # The mail server waits for somebody to read the mail, and the environment for the mail server.
        assert api.open_polls == 0
        assert b"Dear Ada,\r\n" in gate.read_now(1)
    assert states(ask(api, "3_outbox")) == ["sent"]


def test_an_environment_that_takes_two_events_shows_the_mail_on_its_way(
    api: RuntimeDouble, start: Start, tmp_path: Path
) -> None:
    start("background_mail", MAIL_FOLDER=str(tmp_path), MAIL_SECONDS="0", AWS_LAMBDA_MAX_CONCURRENCY="2")
    api.wait_for_polls(2)
    with Gates(tmp_path / "1.eml") as gate:
        assert ask(api, "2_send") == SENT
        assert states(ask(api, "3_outbox")) == ["sending"]
        assert b"Dear Ada,\r\n" in gate.read_now(1)
        api.wait_for_polls(2)
    assert states(ask(api, "3_outbox")) == ["sent"]


def test_a_mail_that_fails_changes_nothing_about_the_answer(api: RuntimeDouble, start: Start, tmp_path: Path) -> None:
    runtime = start("background_mail", MAIL_FOLDER=str(tmp_path), MAIL_SECONDS="0")
    api.wait_for_polls(1)
    (tmp_path / "1.eml").mkdir()
    assert ask(api, "2_send") == SENT
    assert "1.eml" in runtime.wait_for_log("IsADirectoryError")
    assert states(ask(api, "3_outbox")) == ["failed"]
