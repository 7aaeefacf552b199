"""What the log must say: a level and the facts of each line, not its words."""

import pytest

__all__ = ["assert_logged"]


def assert_logged(caplog: pytest.LogCaptureFixture, *lines: tuple[str, ...]) -> None:
    """Assert that exactly these lines were logged, in this order.

    Each of `lines` is a level, such as "ERROR", and the texts that the line or its traceback must contain.
    """
    records = caplog.records
    shown = "\n".join(f"{record.levelname}: {record.getMessage()}" for record in records) or "nothing"
    assert [record.levelname for record in records] == [level for level, *_ in lines], f"The log has:\n{shown}"
    for record, (_, *facts) in zip(records, lines, strict=True):
        text = caplog.handler.format(record)
        missing = [fact for fact in facts if fact not in text]
        assert missing == [], f"The log line lacks {missing}:\n{text}"
