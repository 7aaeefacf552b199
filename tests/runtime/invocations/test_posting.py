"""What is posted for an error, and what the log says to the API's reply."""

import json
import logging
import os
from pathlib import Path

import pytest

from bridge.errors import ContextNotDecoded, EventNotDecoded, HandlerNotLoaded, OriginLost
from bridge.runtime.api.http import Reply
from bridge.runtime.api.vocabulary import Invocation
from bridge.runtime.invocations.posting import check_answer, document_of, error_answer, exit_in


class Impostor(Exception):
    """Not ours, and with what ours have."""

    error_type = "Runtime.UnmarshalError"


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (ValueError("x"), "ValueError"),
        (EventNotDecoded("x"), "Runtime.UnmarshalError"),
        (ContextNotDecoded("x"), "Runtime.LambdaContextUnmarshalError"),
        (HandlerNotLoaded("x", error_type="Runtime.HandlerNotFound"), "Runtime.HandlerNotFound"),
        (Impostor("x"), "Impostor"),
    ],
    ids=repr,
)
def test_only_our_own_errors_have_a_type_of_lambdas(error: Exception, error_type: str) -> None:
    assert document_of(error, "r-1") == {
        "errorMessage": "x",
        "errorType": error_type,
        "requestId": "r-1",
        "stackTrace": [],
    }


def answer_to(error: Exception, **headers: bytes) -> tuple[dict[bytes, bytes], bytes]:
    known = {b"lambda-runtime-aws-request-id": b"r-1"}
    known |= {name.replace("_", "-").encode(): value for name, value in headers.items()}
    pairs, body = error_answer(Invocation(Reply(200, known, b"")), error, document_of(error, "r-1"))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs), body


def test_an_error_is_posted_with_its_type_and_its_cause() -> None:
    headers, body = answer_to(ValueError("caf\u00e9"), lambda_runtime_invocation_id=b"9c7d")
    cause = json.loads(headers.pop(b"lambda-runtime-function-xray-error-cause"))
    assert headers == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"lambda-runtime-function-error-type": b"Function.ValueError",
        b"lambda-runtime-invocation-id": b"9c7d",
    }
    assert json.loads(body)["errorMessage"] == "caf\u00e9"
    assert cause == {
        "working_directory": os.getcwd(),
        "exceptions": [{"message": "caf\u00e9", "type": "ValueError", "stack": []}],
        "paths": [],
    }


def test_a_cause_that_is_too_long_for_a_header_is_left_out() -> None:
    headers, _ = answer_to(ValueError("\u00e9" * 1_000_000))
    assert b"lambda-runtime-function-error-type" in headers
    assert len(headers.get(b"lambda-runtime-function-xray-error-cause", b"")) < 1024 * 1024


def test_an_application_may_have_deleted_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    headers, _ = answer_to(ValueError("x"))
    assert json.loads(headers[b"lambda-runtime-function-xray-error-cause"])["working_directory"] == ""


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ValueError(), None),
        (SystemExit(3), "SystemExit(3)"),
        (OriginLost("why"), "OriginLost('why')"),
        (KeyboardInterrupt(), "KeyboardInterrupt()"),
        (GeneratorExit(), None),
        (ExceptionGroup("x", [ValueError()]), None),
        (BaseExceptionGroup("x", [ValueError(), BaseExceptionGroup("y", [SystemExit(4)])]), "SystemExit(4)"),
    ],
    ids=repr,
)
def test_what_ends_the_process_is_found_in_groups_too(error: BaseException, found: str | None) -> None:
    exit_error = exit_in(error)
    assert (None if exit_error is None else repr(exit_error)) == found


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (202, []),
        (410, [(logging.WARNING, "The answer came too late: the invocation is over (410 why).")]),
        (400, [(logging.ERROR, "The Runtime API did not take the answer: 400 why.")]),
        (403, [(logging.ERROR, "The Runtime API did not take the answer: 403 why.")]),
        (413, [(logging.ERROR, "The Runtime API did not take the answer: 413 why.")]),
        (500, [(logging.ERROR, "The Runtime API did not take the answer: 500 why.")]),
        (200, [(logging.ERROR, "The Runtime API did not take the answer: 200 why.")]),
    ],
)
def test_the_log_has_what_the_api_does_not_take(
    caplog: pytest.LogCaptureFixture, status: int, lines: list[tuple[int, str]]
) -> None:
    check_answer(Reply(status, {}, b"why"))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == lines
