"""Chat: a FastAPI application that streams its answers word by word. Nothing in it is specific to Lambda."""

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

# Between two words, in seconds: about the speed at which people read.
PAUSE = float(os.environ.get("CHAT_PAUSE", "0.04"))

# In characters: the page's own limit. At 500 words of one letter an answer takes 22 s, within the function's timeout.
MAX_MESSAGE = 1000

# The message whose answer breaks off, to show how a client notices that.
FAILING_MESSAGE = "/fail"

REPLY = (
    "You wrote “{message}”. I am not a language model: my answer was ready before you asked. But it arrives as a "
    "model's answer would, one word after the other, and each new word is sent as soon as it is ready. Press Stop, "
    "and I stop."
)


class ModelFailed(Exception):
    """Raised in the middle of an answer."""


async def answer(message: str, *, pause: float = PAUSE) -> AsyncGenerator[str, None]:
    """Yield the words of the answer, each with the space after it. `pause`: between two words, in seconds.

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
        # This runs when the client has disconnected too: the model writes no words that are never read.
        logger.info("%d of %d words were written.", written, len(words))


def server_sent(event: str, data: object) -> str:
    """Return one server-sent event. JSON contains no line breaks, which would end the data."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


async def conversation(message: str) -> AsyncGenerator[str, None]:
    """Yield the events of one answer. The last is `done`: a stream that ends without it broke off."""
    async with aclosing(answer(message)) as words:
        async for word in words:
            yield server_sent("token", {"text": word})
    yield server_sent("done", {})


class EventStream(StreamingResponse):
    """A response of server-sent events that closes its generator when it ends, also if the client has disconnected."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, headers={"cache-control": "no-store"})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        # send() raises when the client has disconnected, and leaves the generator open.
        async with aclosing(self._events):
            await super().stream_response(send)


def policy_for(page: str) -> str:
    """Return a Content-Security-Policy that allows the page's own style and script, and requests to this site only."""
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


# Without FastAPI's pages about the API: they load scripts from another site.
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
