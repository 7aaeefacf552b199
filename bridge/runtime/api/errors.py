"""Error reports in Lambda's format: the JSON document, the type in a header, the cause for X-Ray.

None of these functions raises, for any exception.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from bridge.errors import BridgeError
from bridge.runtime.api.tracebacks import own_frames, stack_trace
from bridge.runtime.api.vocabulary import error_headers
from bridge.runtime.log.text import json_text, printable, safe_text

if TYPE_CHECKING:
    from bridge.runtime.api.http import Pairs
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["encode_document", "error_answer", "error_document", "error_type_header", "exit_in", "xray_cause"]

# In bytes, encoded. Lambda cuts the report of an error at 256 KiB, which makes it invalid JSON.
MAX_DOCUMENT = 240 * 1024

# In bytes, encoded. A message can be a whole response as text (`bridge.errors.ErrorStatus`), which is useful only in
# one piece; the stack gets the rest.
MAX_MESSAGE = 160 * 1024

# In bytes, encoded: of one line of the stack, which may be the message of a cause; and of a type.
MAX_LINE = 8 * 1024
MAX_TYPE = 256

# In bytes. The cause is a header, and servers accept headers of 1 MiB together.
MAX_CAUSE = 1024 * 1024

# The types of errors that Lambda accepts; it changes all others to Runtime.Unknown, as if the runtime were at fault.
_TYPE = r"(?:Runtime|Function)\.[A-Z][a-zA-Z]+"
_CLASS = r"[A-Z][a-zA-Z]+"


def error_document(exc: BaseException, *, request_id: str = "") -> dict[str, Any]:
    """Return `errorMessage`, `errorType`, `requestId` and `stackTrace`, a list of lines; up to 256 KiB as JSON.

    The type is the name of the exception's class; some of our own errors have one of Lambda's in its place.
    """
    error_type = getattr(exc, "error_type", None) if isinstance(exc, BridgeError) else None
    document: dict[str, Any] = {
        "errorMessage": _cut(printable(safe_text(exc)), MAX_MESSAGE),
        "errorType": _cut(printable(safe_text(error_type or _type_name(exc))), MAX_TYPE),
        "requestId": request_id,
        "stackTrace": [],
    }
    lines = [_cut(printable(line), MAX_LINE) for line in _stack_trace(exc)]
    document["stackTrace"] = _without_middle(lines, MAX_DOCUMENT - _size(document))
    return document


def error_answer(invocation: Invocation, exc: BaseException, document: dict[str, Any]) -> tuple[Pairs, bytes]:
    """Return the headers and the body that fail an invocation with `exc` and its document."""
    body = encode_document(document)
    headers = [*error_headers(body, error_type_header(document["errorType"])), *invocation.echo]
    cause = xray_cause(exc, _working_directory())
    if cause:
        headers.append((b"lambda-runtime-function-xray-error-cause", cause))
    return headers, body


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # the application has deleted it
        return ""


def exit_in(exc: BaseException) -> SystemExit | KeyboardInterrupt | None:
    """Return the exception in `exc`, or in its group, that ends the process; None if it ends one invocation only."""
    if isinstance(exc, SystemExit | KeyboardInterrupt):
        return exc
    parts = exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
    return next((found for part in parts if (found := exit_in(part)) is not None), None)


def encode_document(document: dict[str, Any]) -> bytes:
    """Return a document as JSON in UTF-8."""
    return json_text(document).encode("utf-8")


def error_type_header(error: BaseException | str) -> str:
    """Return `Lambda-Runtime-Function-Error-Type` for an exception, or for the name of its type."""
    name = error if isinstance(error, str) else _type_name(error)
    if re.fullmatch(_TYPE, name):
        return name
    return f"Function.{name}" if re.fullmatch(_CLASS, name) else "Function.Unknown"


def xray_cause(exc: BaseException, working_directory: str) -> bytes:
    """Return `Lambda-Runtime-Function-XRay-Error-Cause`, JSON in ASCII; b"" if it is too long for a header."""
    try:
        frames = own_frames(exc)
    except Exception:
        frames = []
    stack = [{"label": printable(name), "path": printable(path), "line": line} for path, line, name, _ in frames]
    error = {"message": _cut(printable(safe_text(exc)), MAX_MESSAGE), "type": printable(_type_name(exc))}
    cause = {
        "working_directory": printable(working_directory),
        "exceptions": [error | {"stack": stack}],
        "paths": list(dict.fromkeys(frame["path"] for frame in stack)),
    }
    encoded = json.dumps(cause).encode("ascii")
    return encoded if len(encoded) < MAX_CAUSE else b""


def _type_name(exc: BaseException) -> str:
    return safe_text(type(exc).__name__)


def _stack_trace(exc: BaseException) -> list[str]:
    try:
        return stack_trace(exc)
    except Exception as failure:
        return [f"  [The stack trace could not be made: {type(failure).__name__}: {safe_text(failure)}]\n"]


def _size(value: object) -> int:
    return len(json_text(value).encode("utf-8"))


def _cut(text: str, limit: int) -> str:
    """Return the beginning of `text` that has `limit` bytes as JSON, and a note if that is not all."""
    if len(text) <= limit and _size(text) <= limit:
        return text
    end = f" [... {len(text)} characters in all]" + ("\n" if text.endswith("\n") else "")
    lengths = range(1, min(len(text), limit))
    return text[: bisect_right(lengths, limit, key=lambda length: _size(text[:length] + end))] + end


def _without_middle(lines: list[str], limit: int) -> list[str]:
    """Return the first and the last lines, up to `limit` bytes of JSON: both ends of a stack tell the most."""
    sizes = [_size(line) + len(", ") for line in lines]
    if sum(sizes) <= limit:
        return lines
    note = "  [{} of {} lines are left out here: Lambda takes reports of up to 256 KiB]\n"
    half = (limit - _size(note.format(len(lines), len(lines))) - len(", ")) // 2
    first = bisect_right(list(accumulate(sizes)), half)
    last = bisect_right(list(accumulate(reversed(sizes))), half)
    missing = len(lines) - first - last
    return [*lines[:first], note.format(missing, len(lines)), *lines[len(lines) - last :]]
