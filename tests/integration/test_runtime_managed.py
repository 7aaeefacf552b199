"""`python -m bridge.runtime` under AWS's own emulator in its Managed Instances mode: many invocations at a time."""

import json
import os
import signal
import sys
from typing import Any

import pytest

from tests.events import MISSING, load
from tests.integration.conftest import StartManaged

SLOTS = 8


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bridge.runtime", *arguments]


def request(path: str, **overrides: Any) -> dict[str, Any]:
    blank = {"rawQueryString": "", "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": "GET", **overrides})


def test_invocations_of_all_slots_meet_on_one_event_loop(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk:app"), max_concurrency=SLOTS)
    answers = emulator.invoke_many(request(f"/meet/{number}") for number in range(SLOTS))
    seen = [json.loads(answer.payload["body"]) for answer in answers]
    assert [each["name"] for each in seen] == [str(number) for number in range(SLOTS)]
    assert {each["pid"] for each in seen} == set(emulator.runtime_pids())
    assert len(emulator.runtime_pids()) == 1
    emulator.stop()
    assert emulator.journal() == ["startup", "shutdown"]


def test_the_trace_is_no_variable_of_the_environment_there(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk:app"), max_concurrency=2)
    answer = emulator.invoke(request("/who"), trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
    assert json.loads(answer.payload["body"])["trace"] is None


def test_a_failure_has_its_type_and_the_log_the_request_it_was_in(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk.plain"), max_concurrency=2)
    answer = emulator.invoke({"fail": "no such drawer"})
    assert (answer.status, answer.error_type) == (200, "Function.LookupError")
    (line,) = (line for line in emulator.wait_for_log("LookupError").splitlines() if '"LookupError"' in line)
    assert json.loads(line)["requestId"] == answer.payload["requestId"]


def test_plain_functions_of_all_slots_meet_in_threads(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk.plain"), max_concurrency=SLOTS)
    answers = emulator.invoke_many({"wait": True, "number": number} for number in range(SLOTS))
    assert [answer.payload["event"]["number"] for answer in answers] == list(range(SLOTS))
    assert len({answer.payload["request"] for answer in answers}) == SLOTS


def test_workers_share_the_slots(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk:app"), max_concurrency=4, BRIDGE_WORKERS="2")
    answers = emulator.invoke_many(request("/who") for _ in range(4))
    assert [answer.payload["statusCode"] for answer in answers] == [200] * 4
    pids = {json.loads(answer.payload["body"])["pid"] for answer in answers}
    assert pids < set(emulator.runtime_pids())
    assert len(emulator.runtime_pids()) == 3
    emulator.stop()
    assert sorted(emulator.journal()) == ["shutdown", "shutdown", "startup", "startup"]


def test_a_streams_form_is_passed_on(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk:app"), max_concurrency=2, AWS_LWA_INVOKE_MODE="response_stream")
    answer = emulator.invoke(request("/stream"))
    assert answer.content_type == "application/vnd.awslambda.http-integration-response"
    assert answer.body.endswith(bytes(8) + b"one two")


@pytest.mark.parametrize("query", ["broken", "verbose"])
def test_the_error_of_a_stream_that_breaks_off_reaches_the_invoker(start_managed: StartManaged, query: str) -> None:
    """Also one whose text is longer than what Go takes in trailers."""
    emulator = start_managed(command("desk:app"), max_concurrency=2, AWS_LWA_INVOKE_MODE="response_stream")
    answer = emulator.invoke(request("/stream", rawQueryString=query))
    assert (answer.status, answer.error_type) == (200, "Function.ValueError")
    assert answer.payload["errorType"] == "ValueError"
    assert answer.payload["errorMessage"].startswith("the paper is out")
    emulator.wait_for_polls()
    assert json.loads(emulator.invoke(request("/nothing")).body.partition(bytes(8))[0])["statusCode"] == 204


def test_an_invocation_that_is_late_is_over_for_its_invoker_and_disturbs_no_other(start_managed: StartManaged) -> None:
    """The deadline that this emulator tells is wrong: that of the emulator itself comes first."""
    emulator = start_managed(command("desk:app"), max_concurrency=2, AWS_LAMBDA_FUNCTION_TIMEOUT="1")
    pids = emulator.runtime_pids()
    late, quick = emulator.invoke_many([request("/late"), request("/who")])
    assert (late.status, late.error_type) == (200, "Sandbox.Timedout")
    assert (quick.status, quick.error_type) == (200, None)
    assert emulator.runtime_pids() == pids


def test_a_process_that_dies_is_told_to_the_invoker(start_managed: StartManaged) -> None:
    emulator = start_managed(command("desk.plain"), max_concurrency=1)
    (pid,) = emulator.runtime_pids()
    os.kill(pid, signal.SIGKILL)
    assert emulator.wait_for_exit() == 1
