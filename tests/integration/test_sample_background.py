"""The background mail in process: every event in its folder, the order of answer and mail, what it refuses, its README.

test_sample_runtimes.py has the application under `python -m bridge.runtime`.
"""

import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette

from bridge import Bridge
from tests.integration.gates import Gates
from tests.integration.pages import Page
from tests.integration.sample_apps import SAMPLE_APPS, Result, event_names, load, read_event, run_readme

pytestmark = pytest.mark.anyio

MAIL_APP = "background_mail"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # as under bridge's runtime; the application itself sleeps with asyncio


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the mails are written to, by a mail server that takes no time."""
    folder = tmp_path / "mail"
    monkeypatch.setenv("MAIL_FOLDER", str(folder))
    monkeypatch.setenv("MAIL_SECONDS", "0")
    return folder


def test_the_application_has_no_adapter_in_it() -> None:
    assert isinstance(load("background_mail/app.py").app, Starlette)
    assert "bridge" not in (SAMPLE_APPS / MAIL_APP / "app.py").read_text()


@pytest.fixture
async def mail() -> AsyncIterator[Bridge]:
    async with Bridge(load("background_mail/app.py").app) as handler:
        yield handler


MAIL_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
}
HEAD = re.compile(r"<!doctype html>.*</h1>\n", re.DOTALL)  # with the style, which says nothing
NO_ROWS = "<tr><th>To</th><th>Subject</th><th>State</th></tr>\n"


def row(state: str, *, subject: str = "Grüße &lt;b&gt;&amp; more&lt;/b&gt;") -> str:
    return f"<tr><td>ada@example.com</td><td>{subject}</td><td>{state}</td></tr>\n"


def outbox(
    *rows: str, alert: str = "", recipient: str = "", subject: str = "", text: str = "", status: int = 200
) -> Result:
    """A page of the outbox, as `without_head` leaves it."""
    body = f"""{alert}<form method="post" action="mails">
<label>To <input name="recipient" type="email" value="{recipient}" maxlength="254" required></label>
<label>Subject <input name="subject" value="{subject}" maxlength="150" required></label>
<label>Text <textarea name="text" rows="5" maxlength="10000" required>
{text}</textarea></label>
<button>Send</button>
</form>
<h2>Outbox</h2>
<p><a href="./">Look again</a></p>
<table>
{NO_ROWS}{"".join(rows)}</table>
</main>
</body>
</html>
"""
    return {"statusCode": status, "headers": MAIL_HEADERS, "cookies": [], "body": body, "isBase64Encoded": False}


def without_head(result: Result) -> Result:
    length = str(len(result["body"].encode()))
    assert result["headers"]["content-length"] == length
    headers = {name: value for name, value in result["headers"].items() if name != "content-length"}
    return result | {"headers": headers, "body": HEAD.sub("", result["body"])}


SENT = {
    "statusCode": 303,
    "headers": {"content-length": "0", "location": "https://m1a2i3l4s5.execute-api.eu-west-1.amazonaws.com/"},
    "cookies": [],
    "body": "",
    "isBase64Encoded": False,
}
REFUSED = outbox(
    row("sent"),
    alert='<p role="alert">The subject must be one line of at most 150 characters.</p>\n',
    recipient="ada@example.com",
    subject="Hello\r\nBcc: eve@example.org",
    text="Not for Eve.",
    status=400,
)
MAIL = (
    b"From: shop@example.com\r\nTo: ada@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <b>& more</b>\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\n'
    b"Dear Ada,\r\n\r\nit works after the answer.\r\n"
)


def mails_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_the_mail_answers_its_events_in_their_order(mail: Bridge, folder: Path) -> None:
    results = {name: await mail.handle(read_event("background_mail", name), None) for name in event_names(MAIL_APP)}
    assert results.pop("2_send") == SENT
    assert {name: without_head(result) for name, result in results.items()} == {
        "1_home": outbox(),
        "3_outbox": outbox(row("sent")),
        "4_send_with_a_header_in_it": REFUSED,
    }
    assert mails_in(folder) == {"1.eml": MAIL}


async def send(handler: Bridge) -> Result:
    return await handler.handle(read_event(MAIL_APP, "2_send"), None)


async def look(handler: Bridge) -> Result:
    return without_head(await handler.handle(read_event(MAIL_APP, "3_outbox"), None))


async def test_a_streamed_answer_is_complete_before_the_mail_is_sent(mail: Bridge, folder: Path) -> None:
    """As bridge's runtime has it: the answer is handed over, and the task runs on."""
    with Gates(folder / "1.eml") as gate, anyio.fail_after(10):
        async with mail.stream(read_event(MAIL_APP, "2_send"), None) as response:
            answer = (response.prelude["statusCode"], [part async for part in response.body])
            await anyio.wait_all_tasks_blocked()
            assert (answer, await look(mail)) == ((303, []), outbox(row("sending")))
            assert await gate.read(1) == MAIL
    assert await look(mail) == outbox(row("sent"))


async def test_an_answer_in_one_piece_waits_for_the_mail(mail: Bridge, folder: Path) -> None:
    """As awslambdaric has it."""
    answers: list[Result] = []

    async def ask() -> None:
        answers.append(await send(mail))

    with Gates(folder / "1.eml") as gate, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert (answers, await look(mail)) == ([], outbox(row("sending")))
            assert await gate.read(1) == MAIL
    assert (answers, await look(mail)) == ([SENT], outbox(row("sent")))


class GatedServer:
    """A mail server that sends a mail when the test says so."""

    def __init__(self) -> None:
        self.gates = [anyio.Event(), anyio.Event()]
        self._next = iter(self.gates)

    async def send(self, message: EmailMessage) -> None:
        await next(self._next).wait()


async def test_mails_are_sent_one_at_a_time() -> None:
    server = GatedServer()
    outbox = load("background_mail/app.py").Outbox(server)
    first, second = (outbox.add(EmailMessage()) for _ in range(2))
    seen = [(first.state, second.state)]
    async with anyio.create_task_group() as tasks:
        for mail in (first, second):
            tasks.start_soon(outbox.deliver, mail)
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
    async with mail.stream(read_event(MAIL_APP, "2_send"), None) as response:
        assert [part async for part in response.body] == []
    assert await look(mail) == outbox(row("failed"))
    assert caplog.messages == ["The application failed after its response was complete."]
    await send(mail)
    assert await look(mail) == outbox(row("sent"), row("failed"))


async def test_a_mail_that_is_given_up_is_shown_as_failed(mail: Bridge, folder: Path) -> None:
    with Gates(folder / "1.eml") as gate, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, mail)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert await look(mail) == outbox(row("failed"))
        await gate.read(1)  # which its thread waits for, cancelled or not


async def test_another_environment_keeps_the_mails_that_are_there(folder: Path) -> None:
    for _ in range(2):
        async with Bridge(load("background_mail/app.py").app) as handler:
            await send(handler)
    assert mails_in(folder) == {"1.eml": MAIL, "2.eml": MAIL}


async def test_the_mail_server_is_closed_with_the_application(folder: Path) -> None:
    server = load("background_mail/app.py").MailServer(folder, seconds=0)
    async with server:
        await server.send(EmailMessage())
    with pytest.raises(ConnectionError, match=r"^The connection to the mail server is closed\.$"):
        await server.send(EmailMessage())
    assert list(mails_in(folder)) == ["1.eml"]


async def test_the_outbox_forgets_the_oldest_mails(mail: Bridge) -> None:
    for _ in range(51):
        await send(mail)
    assert await look(mail) == outbox(*[row("sent")] * 50)


# In release 3.11.7 of Python the email package makes two lines of the encoded ones.
@pytest.mark.parametrize(
    "subject",
    [
        "Hi\nBcc: eve@example.org",
        "Hi\rBcc: eve@example.org",
        "Hi\r\n\r\nDear Eve",
        "Hi\x85Bcc: eve@example.org",
        "Hi\u2028Bcc: eve@example.org",
        "\x00",
        " ",
        "",
        "x" * 151,
        "=?utf-8?q?Hi=0D=0ABcc:_eve@example.org?=",
        "=?utf-8?b?SGkNCkJjYzogZXZlQGV4YW1wbGUub3Jn?=",
        "A 💩 subject=?UTF-8?Q?=0A?=Bcc: eve@example.org",
    ],
)
def test_a_subject_that_is_more_than_a_line_of_text_is_refused(subject: str) -> None:
    module = load("background_mail/app.py")
    with pytest.raises(module.InvalidMail, match=r"^The subject must be "):
        module.compose("ada@example.com", subject, "Hello")


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@example.com, eve@example.org",
        "ada@example.com\r\nBcc: eve@example.org",
        "ada@example.com\n",
        " ada@example.com",
        "ada@@example.com",
        "ada..l@example.com",
        ".ada@example.com",
        "Ada <ada@example.com>",
        '"ada eve"@example.com',
        "ada@[192.0.2.1]",
        "ada@-example.com",
        "ada@example.com.",
        "adä@example.com",
        "ada@exämple.com",
        f"{'a' * 243}@example.com",
    ],
)
def test_what_is_no_address_of_one_person_is_refused(recipient: str) -> None:
    module = load("background_mail/app.py")
    with pytest.raises(module.InvalidMail, match=r"^The recipient must be one e-mail address"):
        module.compose(recipient, "Hello", "Hello")


@pytest.mark.parametrize("text", ["", "x" * 10_001])
def test_a_text_that_is_empty_or_too_long_is_refused(text: str) -> None:
    module = load("background_mail/app.py")
    with pytest.raises(module.InvalidMail, match=r"^The text must have at most 10000 characters\.$"):
        module.compose("ada@example.com", "Hello", text)


@pytest.mark.parametrize(
    "recipient", ["ada.o'hara+tag@mail.example.com", "A_b-{c}@x-1.example", f"{'a' * 242}@example.com"]
)
@pytest.mark.parametrize("subject", ["50 % =? off:  “ü”, <b>", "x" * 150, "👩‍👩‍👧" * 20])
def test_what_is_a_mail_has_one_line_or_folded_ones_for_each_header(recipient: str, subject: str) -> None:
    message = load("background_mail/app.py").compose(recipient, subject, "From me\r\n.\r\nBcc: eve@example.org\r\n")
    head, _, text = message.as_bytes().replace(b"\r\n ", b" ").partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n")]
    assert names == ["From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    assert (message["To"], message["Subject"]) == (recipient, subject)
    assert text == b"From me\r\n.\r\nBcc: eve@example.org\r\n"


async def test_the_page_of_the_mail_is_whole_and_asks_nobody_else(mail: Bridge) -> None:
    await send(mail)
    for name in ("3_outbox", "4_send_with_a_header_in_it"):
        page = Page((await mail.handle(read_event(MAIL_APP, name), None))["body"])
        assert (page.faults, page.urls, page.scripts) == ([], ["data:,", "mails", "./"], [])


def test_the_code_in_the_readme_of_the_mail_answers_every_event() -> None:
    lines = [line.partition(" {'statusCode': ") for line in run_readme(MAIL_APP)]
    assert [line[0] for line in lines] == event_names(MAIL_APP)
    assert [line[2][:3] for line in lines] == ["200", "303", "200", "400"]
