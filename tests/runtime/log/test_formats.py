"""The layouts of Lambda's log, written out; tests/integration/test_runtime_peers.py compares them with AWS's own."""

import json
import logging
import time
from typing import Any

import pytest

from bridge.runtime.log.formats import JsonFormatter, error_lines, frame_type, text_formatter

# 2026-01-01T00:00:00Z.
NEW_YEAR = 1767225600

NBSP = "\N{NO-BREAK SPACE}"


def record(message: object = "hello", /, *args: object, level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("shop.cart", level, "/var/task/shop.py", 7, message, args, None, func="add")
    made.created, made.msecs = NEW_YEAR + 0.042, 42.0
    vars(made).update({"aws_request_id": "id-1", "tenant_id": None}, **fields)
    return made


def as_json(**fields: Any) -> dict[str, Any]:
    return json.loads(JsonFormatter().format(record(**fields)))  # type: ignore[no-any-return]


@pytest.fixture
def exc_info() -> Any:
    """Of an exception that was raised on a line of its own."""
    with pytest.raises(ValueError, match="no") as caught:
        exec(compile("def f():\n    raise ValueError('no')\nf()\n", "/var/task/app.py", "exec"))
    return (caught.type, caught.value, caught.tb.tb_next)


def test_a_text_record_is_one_line_of_four_fields() -> None:
    line = text_formatter().format(record("%s and %d", "one", 2))
    assert line == "[INFO]\t2026-01-01T00:00:00.042Z\tid-1\tone and 2\n"


def test_times_are_utc_in_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert text_formatter().format(record()).split("\t")[1] == "2026-01-01T00:00:00.042Z"
        assert as_json()["timestamp"] == "2026-01-01T00:00:00Z"
        assert logging.Formatter("%(asctime)s", "%H:%M").format(record()) == "09:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_dict_without_arguments_stays_an_object() -> None:
    assert as_json(msg={"order": 7, "paid": True})["message"] == {"order": 7, "paid": True}
    assert as_json(msg={"order": "%d"}, args=(7,))["message"] == "{'order': '7'}"


def test_a_json_record_has_the_tenant_and_the_applications_own_fields() -> None:
    added = {"tenant_id": "blue", "order": 7, "items": ["a"], "set": {1}, "nothing": None}
    assert as_json(**added) == {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": "INFO",
        "message": "hello",
        "logger": "shop.cart",
        "requestId": "id-1",
        "tenantId": "blue",
        "order": 7,
        "items": ["a"],
        "set": "{1}",
    }


def test_a_field_of_the_applications_replaces_none_but_may_have_a_name_that_is_free() -> None:
    fields = as_json(level=logging.INFO, logger="mine", requestId="mine", location="Paris", errorType="mine")
    assert (fields["logger"], fields["requestId"]) == ("shop.cart", "id-1")
    assert (fields["location"], fields["errorType"]) == ("Paris", "mine")
    assert as_json(stack_info="Stack:")["stackInfo"] == "Stack:"


def test_a_json_record_has_its_exception(exc_info: Any) -> None:
    assert as_json(level=logging.ERROR, exc_info=exc_info) == {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": "ERROR",
        "message": "hello",
        "logger": "shop.cart",
        "stackTrace": ['  File "/var/task/app.py", line 3, in <module>\n', '  File "/var/task/app.py", line 2, in f\n'],
        "errorType": "ValueError",
        "errorMessage": "no",
        "location": "/var/task/shop.py:add:7",
        "requestId": "id-1",
    }


def test_a_level_is_lambdas_nearest_one_below() -> None:
    for level, name, text, json_type in (
        (-1, "NOTSET", "a55a0003", "a55a0002"),
        (9, "NOTSET", "a55a0003", "a55a0002"),
        (10, "DEBUG", "a55a000b", "a55a000a"),
        (25, "INFO", "a55a000f", "a55a000e"),
        (30, "WARNING", "a55a0013", "a55a0012"),
        (40, "ERROR", "a55a0017", "a55a0016"),
        (50, "CRITICAL", "a55a001b", "a55a001a"),
        (99, "CRITICAL", "a55a001b", "a55a001a"),
    ):
        assert frame_type(level, as_json=False).hex() == text
        assert frame_type(level, as_json=True).hex() == json_type
        assert as_json(level=level)["level"] == name


def document(**fields: Any) -> dict[str, Any]:
    return {"errorMessage": "no", "errorType": "ValueError", "requestId": "id-1", "stackTrace": []} | fields


def test_an_error_in_text_begins_with_its_type_and_message() -> None:
    for fields, first in (
        ({}, "[ERROR] ValueError: no"),
        ({"errorMessage": ""}, "[ERROR] ValueError"),
        ({"errorType": ""}, "[ERROR] no"),
        ({"errorType": "", "errorMessage": ""}, "[ERROR]"),
    ):
        assert error_lines(document(**fields)) == [first, "Traceback (most recent call last):"]


def test_the_lines_of_an_error_are_indented_with_spaces_that_do_not_get_lost() -> None:
    trace = ['  File "app.py", line 2, in f\n    raise  ValueError\n', "\n", "", "ValueError: no\n"]
    assert error_lines(document(stackTrace=trace))[1:] == [
        "Traceback (most recent call last):",
        f'{NBSP}{NBSP}File "app.py", line 2, in f',
        f"{NBSP * 4}raise  ValueError",
        "",
        "",
        "ValueError: no",
    ]


def test_an_error_in_text_has_lines_and_tabs_but_no_other_control_characters() -> None:
    message = "one\ntwo\tthree\r\0\x1b[2J\x7f\x85\u2028four"
    assert error_lines(document(errorMessage=message, stackTrace=["    x\t\x1b\n", f"{message[:-6]}\n"])) == [
        "[ERROR] ValueError: one",
        "two\tthree" + r"\r\x00\x1b[2J\x7f\x85\u2028four",
        "Traceback (most recent call last):",
        f"{NBSP * 4}x\t" + r"\x1b",
        "one",
        "two\tthree",
        r"\x00\x1b[2J\x7f",
    ]
