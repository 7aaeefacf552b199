"""The log of a runtime: its lines and frames, their request ids, and the records that other handlers see."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.invocation import request_id, tenant_id
from tests.runtime.log_setups import LogSetUps, handle, handler


@pytest.fixture
def invocation() -> Iterator[None]:
    """Make "id-1" of the tenant "blue" the current invocation."""
    tokens = request_id.set("id-1"), tenant_id.set("blue")
    yield
    request_id.reset(tokens[0])
    tenant_id.reset(tokens[1])


def test_a_record_is_a_line_on_the_standard_output(set_up: LogSetUps, capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    handle("%s", "one", level=logging.WARNING)
    handle("two\nlines", level=logging.ERROR)
    assert capsys.readouterr() == (
        "[WARNING]\t2026-01-01T00:00:00.042Z\t\tone\n[ERROR]\t2026-01-01T00:00:00.042Z\t\ttwo\nlines\n",
        "",
    )


def test_frames_have_levels_in_json_or_once_a_level_was_set(set_up: LogSetUps) -> None:
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["a55a0003", "a55a0003"]),
        ({"log_format": "text"}, ["a55a0003", "a55a0003"]),
        ({"log_level": "DEBUG"}, ["a55a000f", "a55a0017"]),
        ({"log_level": "LOUD"}, ["a55a000f", "a55a0017"]),
        ({"log_format": "JSON"}, ["a55a000e", "a55a0016"]),
        ({"log_format": "JSON", "log_level": "INFO"}, ["a55a000e", "a55a0016"]),
    ]
    for options, types in cases:
        log = set_up.framed(**options)
        handle("one", level=25)
        handle("two", level=logging.ERROR)
        assert [kind.hex() for kind, _ in log.read()] == types


@pytest.mark.usefixtures("invocation")
def test_a_record_is_of_the_invocation_that_the_code_works_for(
    set_up: LogSetUps, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(log_format="JSON")
    handle()
    fields = json.loads(capsys.readouterr().out)
    assert (fields["requestId"], fields["tenantId"]) == ("id-1", "blue")


class Watcher(logging.Handler):
    """Keeps what it sees of a record."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(dict(vars(record)))


@pytest.mark.parametrize("log_format", ["text", "JSON"])
def test_other_handlers_see_the_record_as_it_was(
    set_up: LogSetUps, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logger, before, after = logging.getLogger("shop"), Watcher(), Watcher()
    set_up(log_format=log_format)
    logger.addHandler(before)
    logging.getLogger().addHandler(after)
    try:
        record = handle("%d", 1, level=25, exc_info=(ValueError, ValueError("no"), None))
    finally:
        logger.removeHandler(before)
        logging.getLogger().removeHandler(after)
    assert "no" in capsys.readouterr().out
    assert before.seen == after.seen == [vars(record)]
    assert record.levelno == 25


def test_the_formatters_of_others_keep_their_clock(set_up: LogSetUps) -> None:
    converter = logging.Formatter.converter
    set_up()
    set_up(log_format="JSON")
    assert logging.Formatter.converter is converter


def test_the_handler_has_the_name_that_tools_look_for(set_up: LogSetUps) -> None:
    for options, name in (
        ({}, "LambdaLoggerHandler"),
        ({"log_level": "INFO"}, "LambdaLoggerHandlerWithFrameType"),
        ({"log_format": "JSON"}, "LambdaLoggerHandlerWithFrameType"),
    ):
        set_up(**options)
        assert type(handler()).__name__ == name
        assert (type(handler().formatter) is logging.Formatter) == ("log_format" not in options)


@pytest.mark.usefixtures("invocation")
def test_a_formatter_and_a_filter_of_the_applications_find_the_invocation(
    set_up: LogSetUps, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up()
    filtered: list[Any] = []

    def watch(record: logging.LogRecord) -> bool:
        filtered.append((vars(record)["aws_request_id"], vars(record)["tenant_id"]))
        return True

    handler().addFilter(watch)
    handler().setFormatter(logging.Formatter("%(aws_request_id)s %(tenant_id)s %(message)s"))
    handle("one")
    handle("two")
    assert capsys.readouterr().out == "id-1 blue one\nid-1 blue two\n"
    assert filtered == [("id-1", "blue")] * 2


def test_a_foreign_formatters_frames_are_text_unless_it_says_otherwise(set_up: LogSetUps) -> None:
    class Foreign(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            if record.msg == "typed":
                vars(record)["_frame_type"] = bytes.fromhex("a55a000e")
            return super().format(record)

    log = set_up.framed(log_format="JSON")
    handler().setFormatter(Foreign())
    handle("one")
    handle("typed")
    assert log.read() == [(bytes.fromhex("a55a000f"), "one"), (bytes.fromhex("a55a000e"), "typed")]


class Mute:
    def __str__(self) -> str:
        raise LookupError("no words")

    __repr__ = __str__


class BrokenRecord(logging.LogRecord):
    def getMessage(self) -> str:
        raise LookupError("no words")


@pytest.mark.parametrize("log_format", ["text", "JSON"])
def test_a_record_that_cannot_be_formatted_is_logged_with_the_reason(
    set_up: LogSetUps, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    set_up(log_format=log_format)
    handle("%d apples", "no", level=logging.ERROR, exc_info=(ValueError, ValueError("its error"), None))
    handle(Mute())
    handle("one", exc_info=("not", "an", "exception"))
    record = BrokenRecord("shop", logging.INFO, "/var/task/shop.py", 7, "one", (), None)
    logging.getLogger("shop").handle(record)
    output, errors = capsys.readouterr()
    found = [part for part in output.split("\n") if "could not be formatted" in part]
    facts = [("%d apples", "('no',)", "TypeError"), ("Mute",), ("one", "AttributeError"), ("one", "no words")]
    for line, said in zip(found, facts, strict=True):
        assert [fact for fact in (*said, "/var/task/shop.py, line 7") if fact not in line] == []
    assert "ValueError: its error" in output or '"errorMessage": "its error"' in output
    assert errors == ""


def test_a_formatter_of_the_applications_that_fails_does_not_cost_the_record(set_up: LogSetUps) -> None:
    log = set_up.framed(log_format="JSON")
    handler().setFormatter(logging.Formatter("%(no_such_field)s"))
    handle("one")
    ((kind, text),) = log.read()
    assert kind.hex() == "a55a000e"
    message = json.loads(text)["message"]
    assert (message.startswith("one "), "'no_such_field'" in message) == (True, True)
