"""The report of an error in the log, and the end of the log."""

import io
import json
import logging
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.runtime.log_setups import LogSetUps, handle, handler

DOCUMENT = {
    "errorMessage": "no",
    "errorType": "ValueError",
    "requestId": "id-1",
    "stackTrace": ['  File "/var/task/app.py", line 2, in f\n    raise ValueError\n'],
}


def test_an_error_is_reported_as_json(set_up: LogSetUps, capsys: pytest.CaptureFixture[str]) -> None:
    log = set_up.framed(log_format="JSON")
    log.output.report(DOCUMENT)
    ((kind, message),) = log.read()
    set_up(log_format="JSON").report(DOCUMENT)
    line = capsys.readouterr().out
    assert (kind.hex(), message.count("\n"), line.count("\n")) == ("a55a0016", 0, 1)
    for text in (message, line):
        fields = json.loads(text)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", fields.pop("timestamp"))
        assert fields == {"level": "ERROR", **DOCUMENT}


def test_an_error_is_reported_though_the_application_has_set_up_a_log_of_its_own(
    set_up: LogSetUps, capsys: pytest.CaptureFixture[str]
) -> None:
    output = set_up()
    logging.getLogger().removeHandler(handler())
    output.report(DOCUMENT)
    assert capsys.readouterr().out.startswith("[ERROR] ValueError: no\r")


def test_a_closed_log_gets_no_records(set_up: LogSetUps, capsys: pytest.CaptureFixture[str]) -> None:
    output = set_up()
    output.close()
    output.close()
    handle()
    assert capsys.readouterr() == ("", "")


def test_threads_lines_are_whole(set_up: LogSetUps, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.StringIO):
        """Lets other threads run in the middle of a write."""

        def write(self, text: str) -> int:
            for character in text:
                super().write(character)
                time.sleep(0)
            return len(text)

    stream = Slow()
    monkeypatch.setattr(sys, "stdout", stream)
    output = set_up()
    letters = "abcd"
    start = threading.Barrier(len(letters))

    def report(letter: str) -> None:
        start.wait()
        output.report({"errorType": letter * 500})

    with ThreadPoolExecutor(len(letters)) as threads:
        list(threads.map(report, letters))
    assert sorted(stream.getvalue().splitlines()) == [f"[ERROR] {letter * 500}" for letter in letters]
