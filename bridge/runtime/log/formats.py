"""The layouts of log records and errors in Lambda's log, as text and as JSON: pure functions and formatters.

They are those of awslambdaric, so tools that read its logs can read ours.
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING, Any

from bridge.runtime.log.text import json_text, one_line, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNTYPED", "JsonFormatter", "error_json", "error_lines", "frame_type", "text_formatter"]

# The type of a frame gives the format and the severity of its message: four bytes, big-endian.
_TEXT, _JSON = 0xA55A0003, 0xA55A0002
_SEVERITIES = {0: 0x00, 10: 0x08, 20: 0x0C, 30: 0x10, 40: 0x14, 50: 0x18}
_TEXT_TYPES, _JSON_TYPES = (
    {level: (base + severity).to_bytes(4, "big") for level, severity in _SEVERITIES.items()} for base in (_TEXT, _JSON)
)

# The type of a message in text without a severity.
UNTYPED = _TEXT_TYPES[logging.NOTSET]

_TEXT_LAYOUT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_TEXT_TIME = "%Y-%m-%dT%H:%M:%S"
_JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"

# Indents the lines of an error in text, as in awslambdaric: a plain space at the beginning of a line may get lost.
_INDENT = "\N{NO-BREAK SPACE}"

# The attributes of every record: all others are the application's.
_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
_OWN |= {"_frame_type", "asctime", "aws_request_id", "message", "taskName", "tenant_id"}


def frame_type(level: int, *, as_json: bool) -> bytes:
    """Return the type of a frame whose message has that level."""
    return (_JSON_TYPES if as_json else _TEXT_TYPES)[_rounded(level)]


def _rounded(level: int) -> int:
    """Return the standard level at or below a level: Lambda does not know others."""
    return min(50, max(0, level)) // 10 * 10


def text_formatter() -> logging.Formatter:
    """Return a formatter for one line per record. The record must have `aws_request_id`.

    It is a plain Formatter, because that is the class that tools replace; its clock is set for this one object.
    """
    formatter = logging.Formatter(_TEXT_LAYOUT, _TEXT_TIME)
    formatter.converter = time.gmtime
    return formatter


class JsonFormatter(logging.Formatter):
    """A formatter of JSON objects in one line, with the fields that the application gave as `extra`."""

    def __init__(self) -> None:
        super().__init__(datefmt=_JSON_TIME)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        is_object = isinstance(record.msg, dict) and not record.args
        fields: dict[str, object] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": logging.getLevelName(_rounded(record.levelno)),
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
            **_exception(record),
            "stackInfo": record.stack_info,
            "requestId": getattr(record, "aws_request_id", None),
            "tenantId": getattr(record, "tenant_id", None),
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        for name, value in vars(record).items():
            if value is not None and name not in _OWN:
                fields.setdefault(name, value)
        return json_text(fields) + "\n"


def _exception(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of the record's exception; none for `exc_info=True` without an exception."""
    if not record.exc_info or record.exc_info[0] is None:
        return {}
    kind, value, trace = record.exc_info
    return {
        "stackTrace": traceback.format_tb(trace),
        "errorType": kind.__name__,
        "errorMessage": safe_text(value),
        "location": f"{record.pathname}:{record.funcName}:{record.lineno}",
    }


def error_lines(document: Mapping[str, Any]) -> list[str]:
    """Return an error document as text: `errorType` and `errorMessage`, then the lines of `stackTrace`."""
    kind, message = document.get("errorType"), document.get("errorMessage")
    what = ": ".join(safe_text(part) for part in (kind, message) if part)
    lines = [_visible(line) for line in (f"[ERROR] {what}" if what else "[ERROR]").split("\n")]
    trace = document.get("stackTrace")
    if trace is not None:  # awslambdaric has this line for an empty one, too
        lines.append("Traceback (most recent call last):")
        for entry in trace:
            lines += [_indented(_visible(line)) for line in safe_text(entry).splitlines() or [""]]
    return lines


def _visible(line: str) -> str:
    """Return a line with an escape in place of every control character but tabs: a client may have chosen a part."""
    return "\t".join(map(one_line, line.split("\t")))


def _indented(line: str) -> str:
    rest = line.lstrip(" ")
    return _INDENT * (len(line) - len(rest)) + rest


def error_json(document: Mapping[str, Any], *, now: float) -> str:
    """Return an error document as JSON in one line, with the time `now`, in seconds since the epoch."""
    timestamp = time.strftime(_JSON_TIME, time.gmtime(now))
    return json_text({"timestamp": timestamp, "level": "ERROR", **document})
