"""Bridge under awslambdaric and AWS's own Runtime Interface Emulator, invoked with boto3."""

import json
import os
import signal
from base64 import b64encode
from typing import Any

from tests.events import MISSING, load
from tests.integration.conftest import StartEmulator
from tests.integration.rie import Answer, Emulator

COOKIES = ["session=def; Path=/; SameSite=lax", "basket=1; HttpOnly; Path=/; SameSite=lax"]


def request(method: str, path: str, **overrides: Any) -> dict[str, Any]:
    """A Function URL's event without cookies, query or body."""
    blank = {"rawQueryString": "", "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def answered(status: int, body: str, content_type: str | None = None, *, is_base64: bool = False) -> Answer:
    """The answer to a Function URL's event whose response has these headers alone."""
    headers = {"content-length": str(len(body))} | ({"content-type": content_type} if content_type else {})
    result = {"statusCode": status, "headers": headers, "cookies": [], "body": body, "isBase64Encoded": is_base64}
    return Answer(200, result)


def test_function_url_event_is_answered(shop: Emulator) -> None:
    status, result = shop.invoke(load("function_url"))

    body = result["body"]
    assert (status, result) == (
        200,
        {
            "statusCode": 201,
            "headers": {
                "location": "/orders/1",
                "content-length": str(len(body.encode())),
                "content-type": "application/json",
            },
            "cookies": COOKIES,
            "body": body,
            "isBase64Encoded": False,
        },
    )
    assert json.loads(body) == {
        "base_url": "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws/",
        "raw_path": "/orders/caf%C3%A9",
        "name": "café",
        "query": [["tag", "a"], ["tag", "b"], ["q", "x y&z"]],
        "accept": ["application/json,text/html"],
        "cookies": {"session": "abc", "theme": "dark"},
        "client": "203.0.113.9",
        "order": {"qty": 2},
        "event": sorted(load("function_url")),
        "function": "shop",
    }


def test_rest_api_event_is_answered(shop: Emulator) -> None:
    status, result = shop.invoke(load("rest_api"))

    body = result["body"]
    assert (status, result) == (
        200,
        {
            "statusCode": 201,
            "multiValueHeaders": {
                "location": ["/orders/1"],
                "content-length": [str(len(body.encode()))],
                "content-type": ["application/json"],
                "set-cookie": COOKIES,
            },
            "body": body,
            "isBase64Encoded": False,
        },
    )
    assert json.loads(body) == {
        "base_url": "https://abc123def4.execute-api.eu-west-1.amazonaws.com/prod/",
        "raw_path": "/prod/orders/caf%C3%A9",
        "name": "café",
        "query": [["tag", "a"], ["tag", "b"], ["q", "x y&z"]],
        "accept": ["application/json", "text/html"],
        "cookies": {"session": "abc", "theme": "dark"},
        "client": "203.0.113.9",
        "order": {"qty": 2},
        "event": sorted(load("rest_api")),
        "function": "shop",
    }


def test_alb_event_is_answered(shop: Emulator) -> None:
    status, result = shop.invoke(load("alb"))

    body = result["body"]
    assert (status, result) == (
        200,
        {
            "statusCode": 201,
            "statusDescription": "201 Created",
            "headers": {
                "location": "/orders/1",
                "content-length": str(len(body.encode())),
                "content-type": "application/json",
                "set-cookie": COOKIES[0],
                "set-cookiE": COOKIES[1],
            },
            "body": body,
            "isBase64Encoded": False,
        },
    )
    assert json.loads(body) == {
        "base_url": "https://shop.example.com/",
        "raw_path": "/orders/caf%C3%A9",
        "name": "café",
        "query": [["tag", "b"], ["q", "x y&z"]],
        "accept": ["text/html"],
        "cookies": {"session": "abc", "theme": "dark"},
        "client": "203.0.113.9",
        "order": {"qty": 2},
        "event": sorted(load("alb")),
        "function": "shop",
    }


def test_startup_runs_once_in_the_init_phase_and_its_loop_serves_every_invocation(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator("shop.handler")

    answers = [emulator.invoke(request("GET", "/tickets")) for _ in range(3)]

    # The tickets are numbered by a task of the startup, on the startup's event loop.
    assert answers == [answered(200, f'{{"ticket":{number}}}', "application/json") for number in (1, 2, 3)]
    # awslambdaric imports the handler's module in the init phase, before it asks for the first invocation.
    assert emulator.journal() == [
        "import begins",
        "startup",
        "import ends",
        *["GET /tickets", "response complete"] * 3,
    ]


def test_binary_body_comes_back_as_the_bytes_that_were_sent(shop: Emulator) -> None:
    every_byte = bytes(range(256))

    event = request("POST", "/reverse", body=b64encode(every_byte).decode(), isBase64Encoded=True)
    status, result = shop.invoke(event)

    assert (status, result) == (
        200,
        {
            "statusCode": 200,
            "headers": {"content-length": "256", "content-type": "application/octet-stream"},
            "cookies": [],
            "body": b64encode(every_byte[::-1]).decode(),
            "isBase64Encoded": True,
        },
    )


def test_event_that_is_no_http_request_is_an_invocation_error(shop: Emulator) -> None:
    shop.invoke(request("GET", "/tickets"))
    before = shop.journal()

    status, error = shop.invoke({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]})

    assert (status, error["errorType"]) == (200, "UnsupportedEvent")
    assert error["errorMessage"].endswith("but got an object with the keys 'Records'.")
    assert shop.journal() == before


def test_application_that_raises_gives_a_500_and_its_traceback_to_the_log(shop: Emulator) -> None:
    answer = shop.invoke(request("GET", "/broken"))

    assert answer == answered(500, "Internal Server Error", "text/plain; charset=utf-8")
    shop.wait_for_log('    raise ValueError("the shelf is empty")\nValueError: the shelf is empty')


def test_broken_base64_gives_a_400_and_leaves_the_next_invocation_alone(shop: Emulator) -> None:
    broken = shop.invoke(request("POST", "/reverse", body="not base64", isBase64Encoded=True))
    sound = shop.invoke(request("POST", "/reverse", body="live"))

    assert broken == answered(400, "Bad Request", "text/plain; charset=utf-8")
    shop.wait_for_log("A malformed function-url event: Expected a base64 body")
    assert sound.payload["statusCode"] == 200
    assert (sound.payload["body"], sound.payload["isBase64Encoded"]) == (b64encode(b"evil").decode(), True)


def test_background_task_ends_before_the_invoker_has_the_response(shop: Emulator) -> None:
    # awslambdaric sends what the handler returns, and the handler returns when the application has ended.
    answer = shop.invoke(request("POST", "/restock"))

    assert answer == answered(200, "soon")
    assert shop.journal()[-5:] == [
        "POST /restock",
        "response complete",
        "background begins",
        "background works",
        "background ends",
    ]


def test_startup_that_fails_is_an_init_error_with_the_application_message(start_emulator: StartEmulator) -> None:
    emulator = start_emulator("broken_startup.handler")

    status, error = emulator.invoke(request("GET", "/"))

    assert (status, error["errorType"]) == (502, "StartupFailed")
    assert error["errorMessage"].startswith("The application's startup failed: ")
    assert error["errorMessage"].endswith("RuntimeError: the database is down")
    emulator.wait_for_log("Init failed")


def test_sigterm_between_invocations_runs_the_shutdown(start_emulator: StartEmulator) -> None:
    # With this name of a managed runtime awslambdaric waits for the next invocation in a thread, and signals work.
    emulator = start_emulator("shop.handler", AWS_EXECUTION_ENV="AWS_Lambda_python3.13")
    emulator.invoke(request("GET", "/tickets"))
    before = emulator.journal()

    os.kill(emulator.runtime_pid(), signal.SIGTERM)

    emulator.wait_for_log("The shop is closed.")
    assert emulator.journal() == [*before, "shutdown"]
