"""A function with Proxy, under awslambdaric and AWS's own Runtime Interface Emulator, invoked with boto3.

The web server is a process of its own beside the runtime: these tests end one of them, or the other.
"""

import json
import os
import signal
from base64 import b64encode
from typing import Any

import pytest

from tests.events import MISSING, load
from tests.integration.conftest import StartEmulator
from tests.integration.rie import Answer, Emulator
from tests.integration.servers import free_port


@pytest.fixture
def start_function(start_emulator: StartEmulator) -> StartEmulator:
    def start(**environ: str) -> Emulator:
        given = {"SITE": "proxied_site:app", "SITE_PORT": str(free_port())}
        return start_emulator("proxied.handler", **(given | environ))

    return start


def site(emulator: Emulator) -> int:
    """Return the process id of the last web server that came up."""
    return [int(line.split()[0]) for line in emulator.journal() if line.endswith("starts")][-1]


def request(method: str, path: str, **overrides: Any) -> dict[str, Any]:
    """Return a Function URL's event without cookies, query or body."""
    blank = {"rawQueryString": "", "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def page(emulator: Emulator) -> tuple[int, int]:
    """Ask for a page: its status, and the process id of the web server that it came from."""
    status, result = emulator.invoke(request("GET", "/page"))
    assert status == 200, result
    return result["statusCode"], json.loads(result["body"])["pid"]


def failed(status: int, text: str) -> Answer:
    """Proxy's own answer to a Function URL's event."""
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(text))}
    result = {"statusCode": status, "headers": headers, "cookies": [], "body": text, "isBase64Encoded": False}
    return Answer(200, result)


def test_events_are_answered_by_the_web_server(start_function: StartEmulator) -> None:
    emulator = start_function()
    body = b64encode("café".encode()).decode()

    status, result = emulator.invoke(request("POST", "/caf%C3%A9", body=body, isBase64Encoded=True))

    assert (status, result["statusCode"]) == (200, 200)
    assert json.loads(result["body"]) == {
        "method": "POST",
        "path": "/caf%C3%A9",
        "body": "café",
        "function": "shop",
        "trace": True,
        "pid": site(emulator),
    }
    assert page(emulator) == (200, site(emulator))
    assert emulator.journal() == [f"{site(emulator)} starts"]


def test_web_server_that_ends_in_a_request_is_started_again_once_and_then_ends_the_environment(
    start_function: StartEmulator,
) -> None:
    emulator = start_function()
    _, first = page(emulator)
    runtime = emulator.runtime_pid()

    answer = emulator.invoke(request("POST", "/crash", body="x"))

    assert answer == failed(502, "Bad Gateway")
    log = emulator.wait_for_log("started again")
    assert "exited with status 3." in log
    assert "The site gives up." in log
    assert "http://127.0.0.1:" in emulator.wait_for_log("POST /crash: ")
    status, second = page(emulator)
    assert (status, second != first, emulator.runtime_pid()) == (200, True, runtime)

    status, error = emulator.invoke(request("POST", "/crash", body="x"))

    assert (status, error["errorType"]) == (502, "Runtime.ExitError")
    emulator.wait_for_log("this environment ends too: ")
    status, third = page(emulator)
    assert (status, len({first, second, third}), emulator.runtime_pid() != runtime) == (200, 3, True)


def test_request_that_hangs_is_a_504_before_the_deadline_and_the_next_one_is_answered(
    start_function: StartEmulator,
) -> None:
    emulator = start_function(AWS_LAMBDA_FUNCTION_TIMEOUT="6")  # the first invocation starts everything
    _, first = page(emulator)

    answer = emulator.invoke(request("GET", "/hang"))

    assert answer == failed(504, "Gateway Timeout")
    assert "deadline" in emulator.wait_for_log("GET /hang: ")
    assert page(emulator) == (200, first)


def test_web_server_that_cannot_start_is_an_init_error_with_its_last_words(start_function: StartEmulator) -> None:
    emulator = start_function(SITE="proxied_site:missing")

    status, error = emulator.invoke(request("GET", "/page"))

    assert (status, error["errorType"]) == (502, "OriginNotStarted")
    assert error["errorMessage"].startswith("The web server ended before it was ready: ")
    assert 'Attribute "missing" not found in module "proxied_site".' in error["errorMessage"]


def test_sigterm_between_invocations_ends_the_web_server_as_well(start_function: StartEmulator) -> None:
    # With this name of a managed runtime awslambdaric waits for the next invocation in a thread, and signals work.
    emulator = start_function(AWS_EXECUTION_ENV="AWS_Lambda_python3.13")
    _, pid = page(emulator)

    os.kill(emulator.runtime_pid(), signal.SIGTERM)

    emulator.wait_for_log("The site is closed.")
    assert emulator.journal() == [f"{pid} starts", f"{pid} ends"]
