"""Chat: a FastAPI application that streams its answers, word by word. Nothing in it knows of Lambda."""

import asyncio
import json
import logging
import os
import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, StringConstraints
from starlette.types import Send

logger = logging.getLogger("chat_stream")

# Between two words, in seconds: about as quick as one reads along.
PAUSE = float(os.environ.get("CHAT_PAUSE", "0.04"))

# In characters: the page's own limit. At 500 words of one letter an answer takes 22 s, within the function's timeout.
MAX_MESSAGE = 1000

# The message whose answer breaks off, so that one can see what a client notices of that.
FAILING_MESSAGE = "/fail"

REPLY = (
    "You wrote “{message}”. I am no language model: my answer was there before you asked. But it comes to you as a "
    "model's would, one word after the other, and each is on its way as soon as it is there. Press Stop, and I stop."
)


class ModelFailed(Exception):
    """Raised in the middle of an answer."""


async def answer(message: str, *, pause: float = PAUSE) -> AsyncGenerator[str, None]:
    """The model: the same words for the same message, each with the space behind it. `pause`: between two, in seconds.

    Raises ModelFailed after the third word of its answer to FAILING_MESSAGE.
    """
    words = re.findall(r"\S+\s*", REPLY.format(message=message))
    written = 0
    try:
        for word in words:
            if written:
                await asyncio.sleep(pause)
            if written == 3 and message == FAILING_MESSAGE:
                raise ModelFailed("The model lost its thread.")
            written += 1
            yield word
    finally:
        # Here too when the client has gone: nobody pays for words that nobody reads.
        logger.info("%d of %d words were written.", written, len(words))


def server_sent(event: str, data: object) -> str:
    """One server-sent event. JSON has no line breaks of its own, which would end the data."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


async def conversation(message: str) -> AsyncGenerator[str, None]:
    """The events of one answer. Only `done` ends it well: a stream that ends without it broke off."""
    async with aclosing(answer(message)) as words:
        async for word in words:
            yield server_sent("token", {"text": word})
    yield server_sent("done", {})


class EventStream(StreamingResponse):
    """A response of server-sent events, whose generator is closed as soon as it ends: also when the client has gone."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, headers={"cache-control": "no-store"})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        # send() raises once nobody reads any more, and leaves the generator where it is.
        async with aclosing(self._events):
            await super().stream_response(send)


def policy_for(page: str) -> str:
    """A Content-Security-Policy: of all code, the page's own style and script alone; of all sites, this one alone."""
    hashes = {}
    for tag in ("style", "script"):
        text = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        hashes[tag] = f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
    return (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
PAGE_HEADERS = {"content-security-policy": policy_for(PAGE), "x-content-type-options": "nosniff"}


class Question(BaseModel):
    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_MESSAGE)]


# Without FastAPI's pages about the API, whose scripts come from elsewhere.
app = FastAPI(title="Chat", openapi_url=None)


@app.get("/")
async def home() -> HTMLResponse:
    return HTMLResponse(PAGE, headers=PAGE_HEADERS)


@app.post("/chat")
async def chat(question: Question) -> EventStream:
    return EventStream(conversation(question.message))


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}
