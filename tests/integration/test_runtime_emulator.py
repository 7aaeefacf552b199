"""`python -m bridge.runtime` under AWS's own emulator in its classic mode: one invocation at a time, with boto3."""

import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.runtime.api import MAX_RESULT
from tests.events import MISSING, load
from tests.integration.conftest import StartEmulator
from tests.integration.rie import Answer, Emulator

DELIMITER = bytes(8)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bridge.runtime", *arguments]


def request(method: str, path: str, **overrides: Any) -> dict[str, Any]:
    """A Function URL's event without cookies, query or body."""
    blank = {"rawQueryString": "", "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def body_of(answer: Answer) -> Any:
    assert (answer.status, answer.payload["statusCode"]) == (200, 200), answer
    return json.loads(answer.payload["body"])


@pytest.fixture(scope="module")
def desk(emulator_binary: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An unchanged application, for the tests that leave it as they found it."""
    journal = tmp_path_factory.mktemp("desk") / "journal"
    with Emulator(emulator_binary, "", journal, {"_HANDLER": "desk.app"}, command=command()) as emulator:
        yield emulator


@pytest.mark.parametrize(
    ("source", "raw_path"),
    [("function_url", "/who"), ("rest_api", "/prod/who"), ("http_api_v2", "/who"), ("alb", "/who")],
)
def test_an_unchanged_application_answers_every_service(desk: Emulator, source: str, raw_path: str) -> None:
    changed = {
        "function_url": {"rawPath": "/who", "requestContext__http__method": "GET"},
        "rest_api": {"path": "/who", "requestContext__path": "/prod/who", "httpMethod": "GET"},
        "http_api_v2": {"rawPath": "/who", "requestContext__stage": "$default", "requestContext__http__method": "GET"},
        "alb": {"path": "/who", "httpMethod": "GET"},
    }
    seen = body_of(desk.invoke(load(source, **changed[source])))
    assert seen["path"] == raw_path
    assert seen["pid"] in desk.runtime_pids()


def test_the_context_has_what_the_invoker_said(desk: Emulator) -> None:
    answer = desk.invoke(request("GET", "/who"), client_context={"custom": {"basket": "42"}})
    seen = body_of(answer)
    assert seen["custom"] == {"basket": "42"}
    desk.wait_for_log(f"END RequestId: {seen['request']}")


def test_binary_bodies_come_back_as_the_bytes_that_were_sent(desk: Emulator) -> None:
    every_byte = bytes(range(256))
    event = request("POST", "/reverse", body=b64encode(every_byte).decode(), isBase64Encoded=True)
    answer = desk.invoke(event)
    assert (answer.payload["body"], answer.payload["isBase64Encoded"]) == (b64encode(every_byte[::-1]).decode(), True)


def test_an_application_that_raises_is_a_500_and_its_traceback_in_the_log(desk: Emulator) -> None:
    answer = desk.invoke(request("GET", "/broken"))
    assert (answer.payload["statusCode"], answer.payload["body"]) == (500, "Internal Server Error")
    desk.wait_for_log("ValueError: the drawer is stuck")


def test_an_event_that_is_no_http_request_fails_its_invocation_and_no_other(desk: Emulator) -> None:
    answer = desk.invoke({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]})
    assert (answer.status, answer.payload["errorType"], answer.payload["stackTrace"]) == (200, "UnsupportedEvent", [])
    assert answer.payload["errorMessage"].endswith("but got an object with the keys 'Records'.")
    assert body_of(desk.invoke(request("GET", "/who")))["path"] == "/who"


def test_work_after_the_response_ends_before_the_next_invocation(desk: Emulator) -> None:
    answer = desk.invoke(request("POST", "/mail"))
    assert answer.payload["body"] == "soon"
    assert desk.journal()[-3:] == ["mail begins", "mail is written", "mail ends"]


def test_a_result_as_large_as_lambda_takes_is_posted_and_a_larger_one_is_a_500(desk: Emulator) -> None:
    small = desk.invoke(request("GET", "/sized/1"))
    rest = len(json.dumps(small.payload, separators=(",", ":"))) - 1 + len("6291000") - 1  # of the content-length
    largest = MAX_RESULT - rest
    assert len(desk.invoke(request("GET", f"/sized/{largest}")).payload["body"]) == largest
    answer = desk.invoke(request("GET", f"/sized/{largest + 1}"))
    assert answer.payload["statusCode"] == 500
    assert str(MAX_RESULT + 1) in answer.payload["body"]
    desk.wait_for_log(f"The result has {MAX_RESULT + 1} bytes as JSON, and Lambda takes {MAX_RESULT} at most.")


@pytest.fixture(scope="module")
def functions(emulator_binary: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Emulator]]:
    with (
        Emulator(
            emulator_binary, "", tmp_path_factory.mktemp("plain") / "journal", command=command("desk.plain")
        ) as plain,
        Emulator(
            emulator_binary, "", tmp_path_factory.mktemp("async") / "journal", command=command("desk:plain_async")
        ) as plain_async,
    ):
        yield {"plain": plain, "async": plain_async}


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_handler_function_gets_its_event_and_its_context(functions: dict[str, Emulator], kind: str) -> None:
    answer = functions[kind].invoke({"a": [1, None, "ü"]})
    assert (answer.status, answer.payload["event"]) == (200, {"a": [1, None, "ü"]})
    functions[kind].wait_for_log(f"END RequestId: {answer.payload['request']}")


def test_a_plain_function_runs_on_the_main_thread(functions: dict[str, Emulator]) -> None:
    assert functions["plain"].invoke({}).payload["thread"] == "MainThread"


def test_a_function_that_raises_fails_its_invocation_with_its_class_and_its_stack(
    functions: dict[str, Emulator],
) -> None:
    answer = functions["plain"].invoke({"fail": "no such drawer"})
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == ("LookupError", "no such drawer")
    assert [line.count("in plain\n") for line in answer.payload["stackTrace"]] == [1]
    functions["plain"].wait_for_log("[ERROR] LookupError: no such drawer")


def test_a_functions_result_that_is_too_large_is_an_error_with_both_sizes(functions: dict[str, Emulator]) -> None:
    assert len(functions["plain"].invoke({"size": MAX_RESULT}).payload) == MAX_RESULT - 2
    answer = functions["plain"].invoke({"size": MAX_RESULT + 1})
    assert answer.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert str(MAX_RESULT + 1) in answer.payload["errorMessage"]
    assert str(MAX_RESULT) in answer.payload["errorMessage"]


@pytest.mark.parametrize(
    ("handler", "environ", "error_type", "message"),
    [
        ("missing:app", {}, "Runtime.ImportModuleError", "No module named 'missing'"),
        ("desk:nothing_there", {}, "Runtime.HandlerNotFound", "'nothing_there'"),
        ("desk:app", {"FAILS": "startup"}, "StartupFailed", "the database is down"),
        ("desk:app", {"AWS_LWA_INVOKE_MODE": "response_streaming"}, "ConfigurationError", "'response_streaming'"),
    ],
)
def test_what_fails_in_the_init_phase_is_told_to_the_invoker_and_the_next_one_finds_a_new_process(
    start_emulator: StartEmulator, handler: str, environ: dict[str, str], error_type: str, message: str
) -> None:
    emulator = start_emulator(command=command(handler), **environ)
    for _ in range(2):
        answer = emulator.invoke(request("GET", "/who"))
        assert (answer.status, answer.payload["errorType"]) == (502, error_type)
        assert message in answer.payload["errorMessage"]
        if error_type == "StartupFailed":
            assert "RuntimeError: the database is down\n" in answer.payload["stackTrace"]


def test_an_application_that_is_late_is_a_504_and_its_environment_lives(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=command("desk:app"), AWS_LAMBDA_FUNCTION_TIMEOUT="2")
    pid = body_of(emulator.invoke(request("GET", "/who")))["pid"]
    answer = emulator.invoke(request("GET", "/late"))
    assert (answer.payload["statusCode"], answer.payload["body"]) == (504, "Gateway Timeout")
    assert "in late" in emulator.wait_for_log("Where it stands:")
    assert body_of(emulator.invoke(request("GET", "/who")))["pid"] == pid


def test_a_stream_arrives_with_its_prelude_and_its_body(start_emulator: StartEmulator) -> None:
    """In one piece: this emulator collects it, and looks into nothing."""
    emulator = start_emulator(command=command("desk:app"), AWS_LWA_INVOKE_MODE="response_stream")
    prelude, _, body = emulator.exchange(request("GET", "/stream")).body.partition(DELIMITER)
    assert json.loads(prelude) == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "cookies": [],
    }
    assert body == b"one two"
    prelude, delimiter, body = emulator.exchange(request("GET", "/nothing")).body.partition(DELIMITER)
    assert (json.loads(prelude)["statusCode"], delimiter, body) == (204, DELIMITER, b"")
    # What the trailers say is lost here; that they are taken, and the next invocation comes, is not.
    assert emulator.exchange(request("GET", "/stream", rawQueryString="broken")).body.endswith(b"one two")
    emulator.wait_for_log("ValueError: the paper is out")
    event = load("alb", path="/who", httpMethod="GET")
    assert json.loads(emulator.exchange(event).body)["statusCode"] == 200


def test_a_web_server_beside_the_function_is_forwarded_to(start_emulator: StartEmulator) -> None:
    server = "import http.server, os; http.server.test(HandlerClass=http.server.SimpleHTTPRequestHandler, "
    server += "protocol='HTTP/1.1', port=int(os.environ['PORT']), bind='127.0.0.1')"
    emulator = start_emulator(
        command=command("--proxy", "--", sys.executable, "-c", server), AWS_LWA_PORT="18473", HOME="/nonexistent"
    )
    answer = emulator.invoke(request("GET", "/plain.py"))
    assert (answer.payload["statusCode"], answer.payload["headers"]["content-type"]) == (200, "text/x-python")


def test_the_end_of_the_environment_runs_the_shutdown(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=command("desk:app"))
    body_of(emulator.invoke(request("GET", "/who")))
    emulator.stop()
    assert emulator.journal() == ["startup", "shutdown"]


def test_without_the_extension_the_end_comes_without_a_warning(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=command("desk:app"), BRIDGE_EXTENSION="off")
    body_of(emulator.invoke(request("GET", "/who")))
    emulator.stop()
    assert emulator.journal() == ["startup"]
