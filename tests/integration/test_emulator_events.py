"""Events that are not HTTP requests under AWS's own emulator, by AWS's runtime client and by ours."""

import sys
from typing import Any

import pytest

from tests.events.records import failures, queue
from tests.integration.conftest import StartEmulator
from tests.integration.emulated import request

MODES: list[tuple[str, dict[str, str]]] = [
    ("awslambdaric", {}),
    ("bridge.runtime", {}),
    ("bridge.runtime", {"AWS_LWA_INVOKE_MODE": "response_stream"}),
]


@pytest.mark.parametrize(("runtime", "environ"), MODES)
def test_an_application_answers_events_with_json_and_fails_with_a_status(
    start_emulator: StartEmulator, runtime: str, environ: dict[str, str]
) -> None:
    orders = start_emulator(command=[sys.executable, "-m", runtime, "orders.handler"], **environ)
    assert orders.invoke(queue("1")) == (200, {"body": "body of 1"})
    nothing: Any = orders.invoke("nothing").payload
    assert nothing is None
    broken = queue("1")
    broken["Records"][0]["body"] = "broken"
    failed = orders.invoke(broken)
    assert failed.payload["errorType"] == "EventFailed"
    assert "500" in failed.payload["errorMessage"]
    raised = orders.invoke({"task": "one that the application does not know"})
    # Starlette answers 500 before it raises the error again.
    assert (raised.payload["errorType"], raised.payload["errorMessage"]) == ("KeyError", "'Records'")
    assert orders.invoke({"methodArn": "arn"}).payload["errorType"] == "UnsupportedEvent"
    assert orders.invoke(queue("2")) == (200, {"body": "body of 2"})


@pytest.mark.parametrize("runtime", ["awslambdaric", "bridge.runtime"])
def test_a_function_gets_the_events(start_emulator: StartEmulator, runtime: str) -> None:
    command = [sys.executable, "-m", runtime]
    function = start_emulator(command=[*command, "orders.with_function"])
    assert function.invoke("task").payload[0] == "task"
    failed = function.invoke("broken").payload
    assert (failed["errorType"], failed["errorMessage"]) == ("LookupError", "no such order")
    assert function.invoke(request("GET", "/")).payload["body"] == "page"


@pytest.mark.parametrize("runtime", ["awslambdaric", "bridge.runtime"])
def test_each_record_may_come_on_its_own(start_emulator: StartEmulator, runtime: str) -> None:
    command = [sys.executable, "-m", runtime, "orders.handler"]
    orders = start_emulator(command=command, BRIDGE_BATCH="per-record")
    event = queue("1", "2", "3")
    event["Records"][1]["body"] = "broken"
    assert orders.invoke(event) == (200, failures("2"))
    event = queue("1", "2", "3", fifo=True)
    event["Records"][1]["body"] = "broken"
    assert orders.invoke(event) == (200, failures("2", "3"))
