"""The background mail, in process and under `python -m bridge.runtime`: the order of answer and mail, and refusals."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge import Bridge
from tests.integration.conftest import StartSample
from tests.integration.sample_apps import Result, event_names, load, read_event, redirect
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble

pytestmark = pytest.mark.anyio

APP = "background_mail"
SENT = redirect("https://m1a2i3l4s5.execute-api.eu-west-1.amazonaws.com/")
MAIL = (
    b"From: shop@example.com\r\nTo: ada@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <b>& more</b>\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\n'
    b"Dear Ada,\r\n\r\nit works after the answer.\r\n"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # as under bridge's runtime; the application itself sleeps with asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the mails are written to, by a mail server that needs no time."""
    folder = tmp_path / "mail"
    monkeypatch.setenv("MAIL_FOLDER", str(folder))
    monkeypatch.setenv("MAIL_SECONDS", "0")
    return folder


@pytest.fixture
async def mail(folder: Path) -> AsyncIterator[Bridge]:
    async with Bridge(load(f"{APP}/app.py").app) as handler:
        yield handler


@contextmanager
def gate(path: Path) -> Iterator[Callable[[], bytes]]:
    """Put a pipe in the place of a mail: its writer waits until the test calls the function that this yields."""
    os.mkfifo(path)
    read = False

    def read_now() -> bytes:
        nonlocal read
        read = True
        return path.read_bytes()

    try:
        yield read_now
    finally:
        if not read:  # A failed test must not leave the writer's thread waiting.
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def states(page: Result) -> list[str]:
    """Return the states of the mails that a page of the outbox lists."""
    return re.findall(r"<td>(\w+)</td></tr>", page["body"])


def mails_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def send(handler: Bridge) -> Result:
    return await handler.handle(read_event(APP, "2_send"), None)


async def outbox(handler: Bridge) -> list[str]:
    return states(await handler.handle(read_event(APP, "3_outbox"), None))


async def test_the_mail_answers_its_events_in_their_order(mail: Bridge, folder: Path) -> None:
    results = {name: await mail.handle(read_event(APP, name), None) for name in event_names(APP)}
    assert [result["statusCode"] for result in results.values()] == [200, 303, 200, 400]
    assert results["2_send"] == SENT
    assert "<td>Grüße &lt;b&gt;&amp; more&lt;/b&gt;</td><td>sent</td>" in results["3_outbox"]["body"]
    assert "default-src 'none'" in results["3_outbox"]["headers"]["content-security-policy"]
    refused = results["4_send_with_a_header_in_it"]["body"]
    assert '<p role="alert">The subject must be one line of at most 150 characters.</p>' in refused
    assert states(results["4_send_with_a_header_in_it"]) == ["sent"]
    assert mails_in(folder) == {"1.eml": MAIL}


async def test_an_answer_in_one_piece_waits_for_the_mail(mail: Bridge, folder: Path) -> None:
    with gate(folder / "1.eml") as read, anyio.fail_after(30):
        answer = asyncio.create_task(send(mail))
        await anyio.wait_all_tasks_blocked()
        assert (answer.done(), await outbox(mail)) == (False, ["sending"])
        assert await anyio.to_thread.run_sync(read) == MAIL
        assert await answer == SENT
    assert await outbox(mail) == ["sent"]


class GatedServer:
    """A mail server that sends a mail when the test says so."""

    def __init__(self) -> None:
        self.gates = [anyio.Event(), anyio.Event()]
        self._next = iter(self.gates)

    async def send(self, message: EmailMessage) -> None:
        await next(self._next).wait()


async def test_mails_are_sent_one_at_a_time() -> None:
    server = GatedServer()
    mails = load(f"{APP}/app.py").Outbox(server)
    first, second = (mails.add(EmailMessage()) for _ in range(2))
    seen = [(first.state, second.state)]
    async with anyio.create_task_group() as tasks:
        for mail in (first, second):
            tasks.start_soon(mails.deliver, mail)
        await anyio.wait_all_tasks_blocked()
        for gate in server.gates:
            seen.append((first.state, second.state))
            gate.set()
            await anyio.wait_all_tasks_blocked()
    seen.append((first.state, second.state))
    assert seen == [("queued", "queued"), ("sending", "queued"), ("sent", "sending"), ("sent", "sent")]


async def test_a_mail_that_cannot_be_written_is_shown_as_failed_and_logged(
    mail: Bridge, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "1.eml").mkdir()
    async with mail.stream(read_event(APP, "2_send"), None) as response:
        assert [part async for part in response.body] == []
    assert_logged(caplog, ("ERROR", "after its response was complete"))
    await send(mail)
    assert await outbox(mail) == ["sent", "failed"]


async def test_a_new_environment_keeps_the_mails_and_the_outbox_is_bounded(mail: Bridge, folder: Path) -> None:
    for _ in range(51):
        await send(mail)
    assert await outbox(mail) == ["sent"] * 50
    async with Bridge(load(f"{APP}/app.py").app) as next_environment:
        await send(next_environment)
    assert len(mails_in(folder)) == 52


REFUSED_SUBJECTS = [
    *(
        "Hi\nBcc: eve@example.org",
        "Hi\rBcc: eve@example.org",
        "Hi\x85Bcc: eve@example.org",
        "Hi\u2028Bcc: eve@example.org",
    ),
    *("\x00", " ", "", "x" * 151),
    # In release 3.11.7 of Python the email package makes two lines of these encoded ones.
    *("=?utf-8?q?Hi=0D=0ABcc:_eve@example.org?=", "=?utf-8?b?SGkNCkJjYzogZXZlQGV4YW1wbGUub3Jn?="),
]
REFUSED_RECIPIENTS = [
    *("", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "ada..l@example.com", ".ada@example.com"),
    *("ada@example.com, eve@example.org", "ada@example.com\r\nBcc: eve@example.org", "ada@example.com\n"),
    *(" ada@example.com", "Ada <ada@example.com>", '"ada eve"@example.com', "ada@[192.0.2.1]", "ada@-example.com"),
    *("ada@example.com.", "adä@example.com", "ada@exämple.com", f"{'a' * 243}@example.com"),
]


def test_a_mail_that_is_not_one_plain_mail_to_one_address_is_refused() -> None:
    module = load(f"{APP}/app.py")
    mails = [
        *(("The subject must be ", ("ada@example.com", subject, "Hello")) for subject in REFUSED_SUBJECTS),
        *(("The recipient must be ", (recipient, "Hello", "Hello")) for recipient in REFUSED_RECIPIENTS),
        *(("The text must have at most ", ("ada@example.com", "Hello", text)) for text in ("", "x" * 10_001)),
    ]
    for message, mail in mails:
        with pytest.raises(module.InvalidMail, match=f"^{message}"):
            module.compose(*mail)


def test_a_mail_has_one_line_for_each_header() -> None:
    compose = load(f"{APP}/app.py").compose
    recipients = ["ada.o'hara+tag@mail.example.com", "A_b-{c}@x-1.example", f"{'a' * 242}@example.com"]
    for recipient in recipients:
        for subject in ("50 % =? off:  “ü”, <b>", "x" * 150, "👩‍👩‍👧" * 20):
            message = compose(recipient, subject, "From me\r\n.\r\nBcc: eve@example.org\r\n")
            head, _, text = message.as_bytes().replace(b"\r\n ", b" ").partition(b"\r\n\r\n")
            names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n")]
            assert names == ["From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
            assert (message["To"], message["Subject"]) == (recipient, subject)
            assert text == b"From me\r\n.\r\nBcc: eve@example.org\r\n"


def ask(api: RuntimeDouble, name: str) -> dict[str, Any]:
    result: dict[str, Any] = api.invoke(read_event(APP, name)).answer().json
    return result


def test_under_the_runtime_the_answer_comes_before_the_mail(
    api: RuntimeDouble, start_sample: StartSample, tmp_path: Path
) -> None:
    start_sample(APP, MAIL_FOLDER=str(tmp_path), MAIL_SECONDS="0", AWS_LAMBDA_MAX_CONCURRENCY="2")
    api.wait_for_polls(2)
    with gate(tmp_path / "1.eml") as read:
        assert ask(api, "2_send") == SENT
        assert states(ask(api, "3_outbox")) == ["sending"]
        assert b"Dear Ada,\r\n" in read()
        api.wait_for_polls(2)
    assert states(ask(api, "3_outbox")) == ["sent"]
