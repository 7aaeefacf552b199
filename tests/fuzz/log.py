"""The package's log lines while a property runs."""

import logging
from typing import Self

__all__ = ["PlainLog"]

_LOGGER = logging.getLogger("bridge")


class PlainLog(logging.Handler):
    """Keep the records of the package, and keep them from pytest, which would format each of them."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def __enter__(self) -> Self:
        _LOGGER.addHandler(self)
        _LOGGER.propagate = False
        return self

    def __exit__(self, *_exc: object) -> None:
        _LOGGER.propagate = True
        _LOGGER.removeHandler(self)

    def take(self) -> list[logging.LogRecord]:
        """Return the records since the last call. Every message must be one line without control characters."""
        records, self._records = self._records, []
        for record in records:
            message = record.getMessage()
            assert message.isprintable(), f"A log line with control characters: {message!r}"
        return records
