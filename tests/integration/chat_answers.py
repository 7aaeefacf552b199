"""What chat_stream answers its events with."""

import base64
import hashlib
import json
from typing import Any

from tests.integration.pages import Page
from tests.integration.sample_apps import SAMPLE_APPS

__all__ = ["ANSWER", "DONE", "EVENT_STREAM", "WORDS", "Streamed", "chat_streams", "prelude", "token"]

# A prelude, and the parts of a body.
Streamed = tuple[dict[str, Any], list[bytes]]


def token(text: str) -> bytes:
    return f'event: token\ndata: {{"text":{json.dumps(text)}}}\n\n'.encode()


DONE = b"event: done\ndata: {}\n\n"

ANSWER = (
    "You wrote “Grüße! Does <b>this</b> stay text?”. I am no language model: my answer was there before you asked. "
    "But it comes to you as a model's would, one word after the other, and each is on its way as soon as it is there. "
    "Press Stop, and I stop."
)
WORDS = [f"{word} " for word in ANSWER.split(" ")[:-1]] + ["stop."]

REFUSAL = {
    "detail": [
        {
            "type": "string_too_short",
            "loc": ["body", "message"],
            "msg": "String should have at least 1 character",
            "input": " ",
            "ctx": {"min_length": 1},
        }
    ]
}


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def csp_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def chat_page() -> tuple[str, dict[str, str]]:
    """The page, and the headers that it comes with."""
    html = (SAMPLE_APPS / "chat_stream" / "page.html").read_text()
    page = Page(html)
    policy = (
        f"default-src 'none'; style-src {csp_hash(*page.styles)}; script-src {csp_hash(*page.scripts)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html, {"content-security-policy": policy, "x-content-type-options": "nosniff"}


def prelude(content_type: str, *, status: int = 200, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type} | (headers or {}), "cookies": []}


EVENT_STREAM = {
    "statusCode": 200,
    "headers": {"cache-control": "no-store", "content-type": "text/event-stream; charset=utf-8"},
    "cookies": [],
}


def chat_streams() -> dict[str, Streamed]:
    html, headers = chat_page()
    return {
        "chat": (EVENT_STREAM, [*map(token, WORDS), DONE]),
        "chat_without_words": (prelude("application/json", status=422), [compact(REFUSAL).encode()]),
        "health": (prelude("application/json"), [b'{"status":"ok"}']),
        "page": (prelude("text/html; charset=utf-8", headers=headers), [html.encode()]),
    }
