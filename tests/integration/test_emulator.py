"""A Bridge under AWS's own Runtime Interface Emulator, run by AWS's runtime client and by ours, called by boto3."""

import json
import os
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import load
from tests.integration.conftest import StartEmulator
from tests.integration.emulated import LIMIT, buffered, request
from tests.integration.rie import Emulator

RUNTIMES = ["awslambdaric", "bridge.runtime"]


def command(runtime: str, handler: str) -> list[str]:
    return [sys.executable, "-m", runtime, handler]


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def shop(runtime: str, emulator_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Yield an execution environment for the tests that leave it as they found it."""
    journal = tmp_path_factory.mktemp("shop") / "journal"
    with Emulator(emulator_binary, "", journal, command=command(runtime, "shop.handler")) as emulator:
        yield emulator


def test_an_event_reaches_the_application_and_its_response_comes_back_whole(shop: Emulator) -> None:
    status, result = shop.invoke(load("rest_api"))

    body = result.pop("body")
    assert (status, json.loads(body)) == (
        200,
        {
            "base_url": "https://abc123def4.execute-api.eu-west-1.amazonaws.com/prod/",
            "name": "café",
            "order": {"qty": 2},
            "event": sorted(load("rest_api")),
            "function": "shop",
        },
    )
    assert result == {
        "statusCode": 201,
        "isBase64Encoded": False,
        "multiValueHeaders": {
            "location": ["/orders/1"],
            "content-length": [str(len(body.encode()))],
            "content-type": ["application/json"],
            "set-cookie": ["session=def; Path=/; SameSite=lax", "basket=1; HttpOnly; Path=/; SameSite=lax"],
        },
    }


def test_startup_runs_once_in_the_init_phase_and_its_loop_serves_every_invocation(shop: Emulator, runtime: str) -> None:
    # The tickets are numbered by a task of the startup, on the startup's event loop.
    tickets = [json.loads(shop.invoke(request("GET", "/tickets")).payload["body"])["ticket"] for _ in range(3)]

    assert [ticket - tickets[0] for ticket in tickets] == [0, 1, 2]
    starts = {
        "awslambdaric": ["import begins", "startup", "import ends"],
        "bridge.runtime": ["import begins", "import ends", "startup"],
    }
    assert shop.journal()[:3] == starts[runtime]
    assert shop.journal().count("startup") == 1
    assert shop.journal()[-6:] == ["GET /tickets", "response complete"] * 3


def test_what_fails_is_told_apart_and_leaves_the_next_invocation_alone(shop: Emulator) -> None:
    refused_event = shop.invoke({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]})
    broken = shop.invoke(request("GET", "/broken"))
    sound = shop.invoke(request("POST", "/reverse", body="live"))

    assert (refused_event.status, refused_event.payload["errorType"]) == (200, "EventFailed")
    assert "POST /events" in refused_event.payload["errorMessage"]
    assert broken == (200, buffered(500, "Internal Server Error"))
    assert sound.payload["body"] == b64encode(b"evil").decode()
    shop.wait_for_log("ValueError: the shelf is empty")


def test_a_response_that_is_too_large_is_a_500_that_says_why_and_the_environment_lives_on(shop: Emulator) -> None:
    whole = shop.invoke(request("GET", "/pages/6291000"))
    process = shop.runtime_pid()
    refused = shop.invoke(request("GET", "/pages/6292000"))
    sound = shop.invoke(request("POST", "/reverse", body="live"))

    assert (whole.payload["statusCode"], len(whole.payload["body"])) == (200, 6_291_000)
    assert (refused.status, refused.payload["statusCode"]) == (200, 500)
    assert f"{LIMIT} at most" in refused.payload["body"]
    assert (sound.payload["statusCode"], shop.runtime_pid()) == (200, process)
    shop.wait_for_log(f"{LIMIT} at most")


def test_startup_that_fails_is_an_init_error_with_the_application_message(
    start_emulator: StartEmulator, runtime: str
) -> None:
    emulator = start_emulator(command=command(runtime, "broken_startup.handler"))

    status, error = emulator.invoke(request("GET", "/"))

    assert (status, error["errorType"]) == (502, "StartupFailed")
    assert error["errorMessage"].endswith("RuntimeError: the database is down")


def test_sigterm_between_invocations_runs_the_shutdown_under_awslambdaric(start_emulator: StartEmulator) -> None:
    # With this name of a managed runtime awslambdaric waits for the next invocation in a thread, and signals work.
    emulator = start_emulator("shop.handler", AWS_EXECUTION_ENV="AWS_Lambda_python3.13")
    emulator.invoke(request("GET", "/tickets"))
    before = emulator.journal()

    os.kill(emulator.runtime_pid(), signal.SIGTERM)

    emulator.wait_for_log("The shop is closed.")
    assert emulator.journal() == [*before, "shutdown"]
