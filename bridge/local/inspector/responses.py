"""The response as the client got it, its body included."""

from __future__ import annotations

from bridge.local.inspector.timeline import seconds
from bridge.local.invocation import Invocation

__all__ = ["body_of", "is_over", "log_of", "prelude_of", "status_of"]

# What separates the prelude of a stream from its body.
# https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html
_DELIMITER = bytes(8)


def body_of(invocation: Invocation) -> tuple[bytes, bool]:
    """Return the body of the response, and whether that is all of it. That of a stream is what was kept of it."""
    response = invocation.response
    if response is None:
        return b"", False
    if response.body or not invocation.is_streamed:
        return response.body, True
    head, delimiter, rest = bytes(invocation.result).partition(_DELIMITER)
    body = rest if delimiter else head
    return body, invocation.result_size == len(invocation.result) and invocation.timeline.end is not None


def is_over(invocation: Invocation) -> bool:
    """Return whether nothing of the record changes any more. The response may be known after the function rests."""
    return invocation.status == "done" and invocation.has_response


def prelude_of(invocation: Invocation) -> bytes | None:
    """Return the JSON before the body of a stream; None if there is none."""
    head, delimiter, _ = bytes(invocation.result).partition(_DELIMITER)
    return head if invocation.is_streamed and delimiter else None


def status_of(invocation: Invocation) -> tuple[str, str]:
    """Return the status for a reader, and its kind: "good", "moved", "bad", "failed" or "running"."""
    response, failure = invocation.response, invocation.failure
    if response is not None:
        kinds = {2: "good", 3: "moved", 4: "bad"}
        kind = "failed" if failure is not None else kinds.get(response.status // 100, "failed")
        return str(response.status), kind
    if failure is not None:
        return failure.error_type.rpartition(".")[2] or "Error", "failed"
    if invocation.status in ("responded", "done"):
        return "OK", "good"
    return invocation.status, "running"


def log_of(invocation: Invocation) -> str:
    """Return the lines of the log, each with the time since the invocation was received."""
    return "\n".join(f"{seconds(line.at):>9}  {line.text.rstrip()}" for line in invocation.logs)
