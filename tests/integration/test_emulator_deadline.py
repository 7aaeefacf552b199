"""Deadlines and slow startups under AWS's own runtime client and under ours, in AWS's emulator."""

import sys

import pytest

from tests.integration.conftest import StartEmulator
from tests.integration.emulated import request

# Half of the function's timeout: a busy machine has the other half to answer in.
LIMITS = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "6", "BRIDGE_DEADLINE_MARGIN": "5000"}


@pytest.mark.parametrize(
    ("runtime", "handler"),
    [("awslambdaric", "late.handler"), ("awslambdaric", "late.function"), ("bridge.runtime", "late.function")],
)
def test_a_late_application_is_a_504_and_the_environment_goes_on(
    start_emulator: StartEmulator, runtime: str, handler: str
) -> None:
    emulator = start_emulator(command=[sys.executable, "-m", runtime, handler], **LIMITS)
    assert emulator.invoke(request("GET", "/")).payload["body"] == "done"
    process = emulator.runtime_pid()
    assert emulator.invoke(request("GET", "/hang")).payload["statusCode"] == 504
    emulator.wait_for_log("GET /hang: There is no response, and the deadline of the invocation is near.")
    emulator.wait_for_log("await asyncio.Event().wait()")
    assert emulator.invoke(request("GET", "/")).payload["body"] == "done"
    assert emulator.runtime_pid() == process


def test_a_wsgi_application_that_is_late_is_a_504_under_our_runtime(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=[sys.executable, "-m", "bridge.runtime", "late.wsgi_handler"], **LIMITS)
    assert emulator.invoke(request("GET", "/")).payload["body"] == "done"
    process = emulator.runtime_pid()
    assert emulator.invoke(request("GET", "/late")).payload["statusCode"] == 504
    emulator.wait_for_log("The event loop is blocked, and the deadline of the invocation is near.")
    emulator.wait_for_log("time.sleep(LATE)")
    assert emulator.invoke(request("GET", "/")).payload["body"] == "done"
    assert emulator.runtime_pid() == process
    emulator.wait_for_log("this one is dropped")


def test_a_wsgi_application_that_blocks_is_in_the_log(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=[sys.executable, "-m", "awslambdaric", "late.wsgi_handler"], **LIMITS)
    with pytest.raises(ValueError, match="Expecting value"):  # the emulator says in plain text that time is over
        emulator.invoke(request("GET", "/hang"))
    emulator.wait_for_log("GET /hang: The thread is blocked, and the deadline of the invocation is near.")
    emulator.wait_for_log("threading.Event().wait()")


@pytest.mark.parametrize("runtime", ["awslambdaric", "bridge.runtime"])
def test_a_slow_startup_is_in_the_log(start_emulator: StartEmulator, runtime: str) -> None:
    emulator = start_emulator(command=[sys.executable, "-m", runtime, "slow_startup.handler"])
    assert emulator.invoke(request("GET", "/")).payload["body"] == "done"
    emulator.wait_for_log("The application's startup has not ended after")
    emulator.wait_for_log("in connect")
