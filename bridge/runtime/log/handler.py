"""The log of a function, set up as AWS's own runtime does it, but for many concurrent invocations.

Lambda reads lines from the standard output, or frames from a descriptor. A record has the request id of the invocation
for which the current code runs (`bridge.invocation`).
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.runtime.log.formats import JsonFormatter, error_json, error_lines, frame_type, text_formatter
from bridge.runtime.log.ids import log_ids
from bridge.runtime.log.sinks import LogSink, StandardSink, TelemetrySink
from bridge.runtime.log.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LambdaLoggerHandler",
    "LambdaLoggerHandlerWithFrameType",
    "LogOutput",
    "redirect_output",
    "set_up_logging",
]

# The descriptors, to which child processes and code in C write too.
_STDOUT, _STDERR = 1, 2


class LambdaLoggerHandler(logging.Handler):
    """A handler that passes records to a sink. Tools find it by its name, awslambdaric's, and set their own formatter.

    As there, a formatter and a filter of this handler find `aws_request_id` and `tenant_id` in the record; but the
    record is a copy, so other handlers see the original.
    """

    def __init__(self, *, as_json: bool, telemetry_fd: int | None) -> None:
        super().__init__()
        self._own_formatter = JsonFormatter() if as_json else text_formatter()
        self.formatter = self._own_formatter
        # The sink has the handler's lock, because logging makes that lock anew in a forked child.
        assert self.lock is not None
        self.log_sink: LogSink = (
            StandardSink(self.lock) if telemetry_fd is None else TelemetrySink(telemetry_fd, self.lock)
        )

    def handle(self, record: logging.LogRecord) -> bool:
        ids = log_ids()
        return super().handle(_copy(record, aws_request_id=ids.request_id, tenant_id=ids.tenant_id or None))

    def emit(self, record: logging.LogRecord) -> None:
        formatter = self.formatter
        try:
            text = self.format(record)
        except Exception as exc:
            formatter = self._own_formatter
            text = formatter.format(_explained(record, exc))
        self.log_sink.log(text, self._frame_type(record, formatter))

    def _frame_type(self, record: logging.LogRecord, formatter: logging.Formatter | None) -> bytes | None:
        return None


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """A handler that also passes the level of each record to Lambda: for a log in JSON, or if a level was set."""

    def _frame_type(self, record: logging.LogRecord, formatter: logging.Formatter | None) -> bytes | None:
        # A formatter of awslambdaric, if the application sets one here, leaves it in the record.
        known: bytes | None = getattr(record, "_frame_type", None)
        return known or frame_type(record.levelno, as_json=isinstance(formatter, JsonFormatter))


def _copy(record: logging.LogRecord, **changes: object) -> logging.LogRecord:
    copied = object.__new__(type(record))
    vars(copied).update(vars(record), **changes)
    return copied


def _explained(record: logging.LogRecord, exc: Exception) -> logging.LogRecord:
    """Return a record that replaces one that cannot be formatted, with its parts and the reason."""
    message = (
        f"{safe_text(record.msg)} with the arguments {safe_text(record.args)}: this record could not be formatted, "
        f"{type(exc).__name__}: {safe_text(exc)} (logged in {record.pathname}, line {record.lineno})"
    )
    is_exception = record.exc_info is not None and isinstance(record.exc_info[1], BaseException)
    explained = object.__new__(logging.LogRecord)  # the application's own class may be the cause
    vars(explained).update(
        vars(record), msg=message, args=(), exc_info=record.exc_info if is_exception else None, exc_text=None
    )
    return explained


class LogOutput:
    """The owner of the log: a handler of the root logger, and its sink."""

    def __init__(self, handler: LambdaLoggerHandler, *, as_json: bool) -> None:
        self._handler = handler
        self._as_json = as_json

    def report(self, document: Mapping[str, Any]) -> None:
        """Log the document of an error (`bridge.runtime.api.errors`), also if the handler was removed meanwhile."""
        lines = [error_json(document, now=time.time())] if self._as_json else error_lines(document)
        self._handler.log_sink.log_lines(lines, frame_type(logging.ERROR, as_json=self._as_json))

    def flush(self) -> None:
        """Flush the standard output and stderr.

        Lines are written as they end. A part of a line, and bytes that were written to the buffer directly, would wait
        in a frozen environment for the next invocation, or be lost.
        """
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # None, closed, or an object of the application's
                stream.flush()

    def close(self) -> None:
        """Take the handler off the root logger and close the descriptor. Idempotent."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
        self._handler.log_sink.close()


def set_up_logging(*, log_format: str, log_level: str, telemetry_fd: int | None) -> LogOutput:
    """Give the root logger a handler for Lambda's log, and have both standard streams write lines as they end.

    `log_format`: "JSON", in upper or lower case; everything else is text. `log_level`: the root logger's new level; a
    name that logging does not know changes nothing. `telemetry_fd`: a descriptor for frames, which the log owns from
    now on; None for the standard output.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # None, closed, or without this method
            stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    as_json = log_format.upper() == "JSON"
    kind = LambdaLoggerHandlerWithFrameType if as_json or log_level else LambdaLoggerHandler
    handler = kind(as_json=as_json, telemetry_fd=telemetry_fd)
    root = logging.getLogger()
    root.addHandler(handler)
    level = log_level.upper()
    level = "DEBUG" if level == "TRACE" else level  # Lambda's lowest level, which Python does not have
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    return LogOutput(handler, as_json=as_json)


def redirect_output(socket_path: str) -> None:
    """Connect the standard output and stderr each to the Unix socket for the log of one process.

    On Managed Instances (_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET) Lambda tells the processes of an environment apart
    by their connections. Raises OSError, and changes nothing then.
    """
    from socket import AF_UNIX, socket

    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the text in the buffer belongs to the old destination
            stream.flush()
    with socket(AF_UNIX) as output, socket(AF_UNIX) as errors:
        output.connect(socket_path)
        errors.connect(socket_path)
        os.dup2(output.fileno(), _STDOUT)
        os.dup2(errors.fileno(), _STDERR)
