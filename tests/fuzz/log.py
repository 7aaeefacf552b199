"""The package's log lines while a property runs."""

import logging
from typing import Self

__all__ = ["PlainLog"]

_LOGGER = logging.getLogger("bridge")


class PlainLog(logging.Filter):
    """Keep the records of the package, and let none of them pass: pytest would keep and format each of 100,000."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []

    def filter(self, record: logging.LogRecord) -> bool:
        self._records.append(record)
        return False

    def __enter__(self) -> Self:
        _LOGGER.addFilter(self)
        return self

    def __exit__(self, *_exc: object) -> None:
        _LOGGER.removeFilter(self)

    def take(self) -> list[logging.LogRecord]:
        """Return the records since the last call. Every message must be one line without control characters."""
        records, self._records = self._records, []
        for record in records:
            message = record.getMessage()
            assert message.isprintable(), f"A log line with control characters: {message!r}"
        return records
