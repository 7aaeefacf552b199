"""The log as `python -m bridge.runtime` sets it up, for one test."""

import logging
from typing import Any

from bridge.runtime.log.handler import LogOutput, set_up_logging
from tests.runtime.frames import Frame, Pipe, parse_frames

__all__ = ["NEW_YEAR", "FramedLog", "LogSetUps", "handle", "handler"]

# 2026-01-01T00:00:00Z.
NEW_YEAR = 1767225600


class FramedLog:
    """A log that goes into frames."""

    def __init__(self, output: LogOutput, pipe: Pipe) -> None:
        self.output = output
        self._pipe = pipe

    def read(self) -> list[Frame]:
        """Close the log. Every frame that went into it."""
        self.output.close()
        return parse_frames(self._pipe.read_to_end())


class LogSetUps:
    """Each call sets the log up once more."""

    def __init__(self) -> None:
        self._root = logging.getLogger()
        self._level = self._root.level
        self._outputs: list[LogOutput] = []
        self._pipes: list[Pipe] = []

    def __call__(self, **options: Any) -> LogOutput:
        if not self._outputs:
            self._root.handlers.clear()  # pytest's, which do not put up with everything, and come back by themselves
        options = {"log_format": "", "log_level": "", "telemetry_fd": None} | options
        self._outputs.append(set_up_logging(**options))
        return self._outputs[-1]

    def framed(self, **options: Any) -> FramedLog:
        pipe = Pipe()
        self._pipes.append(pipe)
        return FramedLog(self(telemetry_fd=pipe.writer, **options), pipe)

    def end(self) -> None:
        for output in self._outputs:
            output.close()
        for pipe in self._pipes:
            pipe.close_reader()
        self._root.setLevel(self._level)


def handler() -> logging.Handler:
    """Return the handler of the log that was set up last."""
    return logging.getLogger().handlers[-1]


def handle(message: object = "hello", /, *args: object, level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    """Have a record of the logger "shop" handled, made at New Year, and get it."""
    record = logging.LogRecord("shop", level, "/var/task/shop.py", 7, message, args, None, func="add")
    record.created, record.msecs = NEW_YEAR + 0.042, 42.0
    vars(record).update(fields)
    logging.getLogger("shop").handle(record)
    return record
