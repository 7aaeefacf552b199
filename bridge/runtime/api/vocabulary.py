"""The vocabulary of the Runtime API: its paths, its headers and its status codes.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge.errors import ResultTooLarge, RuntimeApiRefused
from bridge.runtime.log.text import one_line
from bridge.sources._size import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.http import Pairs, Reply

__all__ = [
    "FORBIDDEN",
    "GONE",
    "INIT_ERROR",
    "MAX_RESULT",
    "NEXT",
    "OK",
    "RESTORE_ERROR",
    "RESTORE_NEXT",
    "Invocation",
    "check_answer",
    "check_reply",
    "error_headers",
    "result_headers",
    "shown",
    "too_large",
]

logger = logging.getLogger("bridge")

_ROOT = b"/2018-06-01/runtime/"

NEXT = _ROOT + b"invocation/next"
INIT_ERROR = _ROOT + b"init/error"
RESTORE_NEXT = _ROOT + b"restore/next"
RESTORE_ERROR = _ROOT + b"restore/error"

OK, FORBIDDEN, GONE = 200, 403, 410

_JSON: Pairs = [(b"content-type", b"application/json")]
_BYTES: Pairs = [(b"content-type", b"application/octet-stream")]

# Bytes of an unexpected reply, and of an unexpected header, that go to the log.
_MAX_SHOWN = 500
_MAX_SHOWN_HEADER = 50

# Enough up to the year 2286. Clocks and timers overflow with more.
_MAX_DEADLINE_DIGITS = 13


class Invocation:
    """One invocation, from the API's reply. An empty header counts as absent: some environments send every header."""

    def __init__(self, reply: Reply) -> None:
        """Read the reply. Raises RuntimeApiRefused for a reply that is not an invocation."""
        if reply.status != OK:
            raise RuntimeApiRefused(f"Expected the next invocation, but got {shown(reply)}.")
        get = reply.headers.get
        self.body = reply.body
        self.request_id = get(b"lambda-runtime-aws-request-id", b"").decode("latin-1")
        # Since 2026 every answer returns it, so that the API can refuse one that is too late.
        self.invocation_id = get(b"lambda-runtime-invocation-id", b"")
        # Milliseconds since the epoch; 0 if it is not known.
        self.deadline_ms = _deadline(get(b"lambda-runtime-deadline-ms", b""))
        self.trace_id = get(b"lambda-runtime-trace-id", b"").decode("latin-1")
        self.tenant_id = get(b"lambda-runtime-aws-tenant-id", b"").decode("latin-1")
        self.arn = get(b"lambda-runtime-invoked-function-arn", b"").decode("latin-1")
        self.client_context = get(b"lambda-runtime-client-context", b"")
        self.identity = get(b"lambda-runtime-cognito-identity", b"")
        if not self.request_id or not _is_visible_ascii(self.request_id):  # it is a part of the answer's path
            raise RuntimeApiRefused(
                f"Expected the next invocation, but got one whose Lambda-Runtime-Aws-Request-Id is "
                f"{self.request_id!r:.100}."
            )

    @property
    def response_path(self) -> bytes:
        return b"%sinvocation/%s/response" % (_ROOT, self.request_id.encode("latin-1"))

    @property
    def error_path(self) -> bytes:
        return b"%sinvocation/%s/error" % (_ROOT, self.request_id.encode("latin-1"))

    @property
    def echo(self) -> Pairs:
        """The header that every answer must return."""
        return [(b"lambda-runtime-invocation-id", self.invocation_id)] if self.invocation_id else []


def _deadline(header: bytes) -> int:
    """Return the milliseconds; 0 for an empty header. One that is not a moment is logged, and counts as empty."""
    if header.isdigit() and len(header) <= _MAX_DEADLINE_DIGITS:
        return int(header)
    if header:
        logger.warning(
            "Expected Lambda-Runtime-Deadline-Ms to be a time in milliseconds, but got %r: the invocation has no "
            "deadline.",
            header[:_MAX_SHOWN_HEADER],
        )
    return 0


def _is_visible_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def result_headers(invocation: Invocation, body: bytes, *, is_json: bool = True) -> Pairs:
    """Return the headers of a buffered result."""
    return [(b"content-length", b"%d" % len(body)), *(_JSON if is_json else _BYTES), *invocation.echo]


def error_headers(body: bytes, error_type: str) -> Pairs:
    """Return the headers of an error document."""
    return [
        (b"content-length", b"%d" % len(body)),
        *_JSON,
        (b"lambda-runtime-function-error-type", error_type.encode("ascii")),
    ]


def check_reply(reply: Reply, what: str) -> None:
    """Raise RuntimeApiRefused if the reply does not have a status of success. AWS's API has 200 or 202."""
    if not _is_success(reply):
        raise RuntimeApiRefused(f"Expected a success for {what}, but got {shown(reply)}.")


def check_answer(reply: Reply, what: Callable[[], str]) -> None:
    """Log an answer that the API did not accept. Nothing more can be done for that invocation.

    `what`: returns the name of the invocation.
    """
    if reply.status == GONE:
        logger.warning("%s: The answer came too late: the invocation is over (%s).", what(), shown(reply))
    elif not _is_success(reply):
        logger.error("%s: The Runtime API did not accept the answer: %s.", what(), shown(reply))


def _is_success(reply: Reply) -> bool:
    return 200 <= reply.status < 300


def too_large(body: bytes) -> ResultTooLarge:
    """Return the error for a result of more than MAX_RESULT bytes."""
    return ResultTooLarge(f"The result has {len(body)} bytes as JSON, and Lambda takes {MAX_RESULT} at most.")


def shown(reply: Reply) -> str:
    """Return a reply as text for the log, in one line."""
    return f"{reply.status} {one_line(reply.body[:_MAX_SHOWN].decode('utf-8', 'backslashreplace').rstrip())}"
