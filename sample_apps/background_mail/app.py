"""Mail: a Starlette application that answers first and then sends the mail. Nothing in it is specific to Lambda."""

import asyncio
import logging
import os
import re
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

logger = logging.getLogger("background_mail")

SENDER = "shop@example.com"

# The addresses that browsers accept, except those with a dot at an end of the part before the @, or with two in a row.
# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ADDRESS = re.compile(rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+", re.ASCII | re.IGNORECASE)

# In characters. SMTP allows no longer address; the other limits keep the page small.
MAX_ADDRESS, MAX_SUBJECT, MAX_TEXT = 254, 150, 10_000

# The characters that a header must not contain: line ends and other control characters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# The fields of the form.
FIELDS = ("recipient", "subject", "text")

# The number of mails that the page lists. Earlier mails are in the folder only.
MAX_LISTED = 50


class InvalidMail(ValueError):
    """Raised when a field of the form is invalid. The page shows its text."""


class MailServer:
    """A fake connection to an SMTP server, which writes each mail into a file, slowly.

    `folder`: the folder of the files, which keeps those of earlier runs. `seconds`: the time for one mail.
    """

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.stem) for path in self._folder.glob("*.eml") if path.stem.isdecimal()]
        self._numbers = count(max(numbers, default=0) + 1)
        self._is_open = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False

    async def send(self, message: EmailMessage) -> None:
        """Write the mail. Raises OSError if the connection is closed, or the file cannot be written."""
        if not self._is_open:
            raise ConnectionError("The connection to the mail server is closed.")
        await asyncio.sleep(self._seconds)
        # In a thread, because a disk can be slow, and other requests need the event loop meanwhile.
        await asyncio.to_thread((self._folder / f"{next(self._numbers)}.eml").write_bytes, message.as_bytes())


@dataclass
class Mail:
    message: EmailMessage
    state: Literal["queued", "sending", "sent", "failed"] = "queued"


class Outbox:
    """The mails and their states. Each Lambda environment has its own outbox, which starts empty."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._turn = asyncio.Lock()
        self.mails: deque[Mail] = deque(maxlen=MAX_LISTED)

    def add(self, message: EmailMessage) -> Mail:
        mail = Mail(message)
        self.mails.append(mail)
        return mail

    async def deliver(self, mail: Mail) -> None:
        """Send a mail after those before it: one connection sends one mail at a time."""
        try:
            async with self._turn:
                mail.state = "sending"
                await self._server.send(mail.message)
        except BaseException:  # a cancellation too, for instance at the function's timeout
            mail.state = "failed"
            raise
        mail.state = "sent"
        logger.info("A mail is sent.")


def compose(recipient: str, subject: str, text: str) -> EmailMessage:
    """Return the mail. Raises InvalidMail for an invalid address, and for a subject that could add headers."""
    if len(recipient) > MAX_ADDRESS or ADDRESS.fullmatch(recipient) is None:
        raise InvalidMail("The recipient must be one e-mail address, such as ada@example.com.")
    if not subject.strip() or len(subject) > MAX_SUBJECT or CONTROL.search(subject):
        raise InvalidMail(f"The subject must be one line of at most {MAX_SUBJECT} characters.")
    if not 0 < len(text) <= MAX_TEXT:
        raise InvalidMail(f"The text must have at most {MAX_TEXT} characters.")
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = SENDER, recipient, subject
    # The email package decodes encoded words. Older releases then write =?utf-8?q?=0D=0ABcc:...?= as two lines.
    # https://github.com/python/cpython/issues/121650
    if message["Subject"] != subject:
        raise InvalidMail("The subject must be plain text, not an encoded word.")
    message.set_content(text)
    return message


PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
}
STYLE = """
:root { color-scheme: light dark; }
body { max-width: 40rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
label { display: block; margin-top: 0.75rem; }
input, textarea { display: block; width: 100%; box-sizing: border-box; padding: 0.5rem; font: inherit; }
button { margin-top: 0.75rem; padding: 0.5rem 1rem; font: inherit; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 0.25rem 0.5rem 0.25rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th, td:last-child { overflow-wrap: normal; }
[role=alert] { font-weight: 600; }
"""


def row(mail: Mail) -> str:
    cells = (mail.message["To"], mail.message["Subject"], mail.state)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>\n"


def page(outbox: Outbox, *, error: str = "", form: dict[str, str] | None = None) -> HTMLResponse:
    """Return the page: the form with its values, and the outbox, newest mail first. All text is escaped."""
    values = {name: escape(value) for name, value in (form or dict.fromkeys(FIELDS, "")).items()}
    alert = f'<p role="alert">{escape(error)}</p>\n' if error else ""
    rows = "".join(map(row, reversed(outbox.mails)))
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mail</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Mail</h1>
{alert}<form method="post" action="mails">
<label>To <input name="recipient" type="email" value="{values["recipient"]}" maxlength="{MAX_ADDRESS}" required></label>
<label>Subject <input name="subject" value="{values["subject"]}" maxlength="{MAX_SUBJECT}" required></label>
<label>Text <textarea name="text" rows="5" maxlength="{MAX_TEXT}" required>
{values["text"]}</textarea></label>
<button>Send</button>
</form>
<h2>Outbox</h2>
<p><a href="./">Look again</a></p>
<table>
<tr><th>To</th><th>Subject</th><th>State</th></tr>
{rows}</table>
</main>
</body>
</html>
"""
    return HTMLResponse(html, 400 if error else 200, PAGE_HEADERS)


def fields_of(form: FormData) -> dict[str, str]:
    """Return the text of each field; "" for a field that is missing or a file."""
    values = {name: form.get(name) for name in FIELDS}
    return {name: value if isinstance(value, str) else "" for name, value in values.items()}


async def home(request: Request) -> HTMLResponse:
    return page(request.state.outbox)


async def send(request: Request) -> Response:
    """Answer immediately. The background task sends the mail after the response."""
    outbox: Outbox = request.state.outbox
    async with request.form() as form:
        fields = fields_of(form)
    try:
        message = compose(**fields)
    except InvalidMail as exc:
        return page(outbox, error=str(exc), form=fields)
    task = BackgroundTask(outbox.deliver, outbox.add(message))
    return RedirectResponse(request.url_for("home"), status_code=303, background=task)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Outbox]]:
    """Connect to the mail server once for each Lambda environment, in its init phase."""
    folder = os.environ.get("MAIL_FOLDER") or Path(tempfile.gettempdir(), "background_mail")
    seconds = float(os.environ.get("MAIL_SECONDS", "2"))
    async with MailServer(Path(folder), seconds=seconds) as server:
        yield {"outbox": Outbox(server)}


app = Starlette(routes=[Route("/", home), Route("/mails", send, methods=["POST"])], lifespan=lifespan)
