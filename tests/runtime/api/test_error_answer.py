"""What is posted for an error, what ends the process instead, and what the log says of the API's reply."""

import json
import os
from pathlib import Path

import pytest

from bridge.errors import ContextNotDecoded, EventNotDecoded, HandlerNotLoaded, OriginLost
from bridge.runtime.api.errors import error_answer, error_document, exit_in
from bridge.runtime.api.http import Reply
from bridge.runtime.api.vocabulary import Invocation, check_answer
from tests.logged import assert_logged


class Impostor(Exception):
    """Not one of ours, but with their attribute."""

    error_type = "Runtime.UnmarshalError"


def test_only_our_own_errors_have_a_type_of_lambdas() -> None:
    errors: dict[str, BaseException] = {
        "ValueError": ValueError("x"),
        "Runtime.UnmarshalError": EventNotDecoded("x"),
        "Runtime.LambdaContextUnmarshalError": ContextNotDecoded("x"),
        "Runtime.HandlerNotFound": HandlerNotLoaded("x", error_type="Runtime.HandlerNotFound"),
        "Impostor": Impostor("x"),
    }
    for name, error in errors.items():
        document = {"errorMessage": "x", "errorType": name, "requestId": "r-1", "stackTrace": []}
        assert error_document(error, request_id="r-1") == document


def answer_to(error: Exception, **headers: bytes) -> tuple[dict[bytes, bytes], bytes]:
    known = {b"lambda-runtime-aws-request-id": b"r-1"}
    known |= {name.replace("_", "-").encode(): value for name, value in headers.items()}
    document = error_document(error, request_id="r-1")
    pairs, body = error_answer(Invocation(Reply(200, known, b"")), error, document)
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


def test_an_application_may_have_deleted_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    headers, _ = answer_to(ValueError("x"))
    assert json.loads(headers[b"lambda-runtime-function-xray-error-cause"])["working_directory"] == ""


def test_what_ends_the_process_is_found_in_groups_too() -> None:
    end = SystemExit(3)
    assert exit_in(end) is end
    assert isinstance(exit_in(KeyboardInterrupt()), KeyboardInterrupt)
    assert isinstance(exit_in(OriginLost("why")), OriginLost)
    assert exit_in(BaseExceptionGroup("x", [ValueError(), BaseExceptionGroup("y", [end])])) is end
    for error in (ValueError(), GeneratorExit(), ExceptionGroup("x", [ValueError()])):
        assert exit_in(error) is None


def test_the_log_has_what_the_api_does_not_accept(caplog: pytest.LogCaptureFixture) -> None:
    for status in (202, 204, 410, 400, 302):
        check_answer(Reply(status, {}, b"why"), lambda: "GET /x")
    assert_logged(caplog, ("WARNING", "410 why"), ("ERROR", "400 why"), ("ERROR", "302 why"))
