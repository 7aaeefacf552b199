"""The answers of chat_stream to its events."""

import json
from typing import Any

__all__ = ["ANSWER", "DONE", "EVENT_STREAM", "WORDS", "Streamed", "chat_streams", "prelude", "token"]

# A prelude, and the parts of a body.
Streamed = tuple[dict[str, Any], list[bytes]]


def token(text: str) -> bytes:
    return f'event: token\ndata: {{"text":{json.dumps(text)}}}\n\n'.encode()


DONE = b"event: done\ndata: {}\n\n"

ANSWER = (
    "You wrote “Grüße! Does <b>this</b> stay text?”. I am not a language model: my answer was ready before you asked. "
    "But it arrives as a model's answer would, one word after the other, and each new word is sent as soon as it is "
    "ready. Press Stop, and I stop."
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


def prelude(content_type: str, *, status: int = 200) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type}, "cookies": []}


EVENT_STREAM = {
    "statusCode": 200,
    "headers": {"cache-control": "no-store", "content-type": "text/event-stream; charset=utf-8"},
    "cookies": [],
}


def chat_streams() -> dict[str, Streamed]:
    """Return the answer to each event that succeeds, except for the page's."""
    return {
        "chat": (EVENT_STREAM, [*map(token, WORDS), DONE]),
        "chat_without_words": (prelude("application/json", status=422), [compact(REFUSAL).encode()]),
        "health": (prelude("application/json"), [b'{"status":"ok"}']),
    }
