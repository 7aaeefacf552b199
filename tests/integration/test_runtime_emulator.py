"""`python -m bridge.runtime` under AWS's own Runtime Interface Emulator, one invocation at a time, called by boto3.

The emulator collects a stream before it hands it over, and hands an answer over when the next invocation is asked for.
"""

import json
import os
import re
import signal
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.events import MISSING, load
from tests.integration.conftest import StartEmulator
from tests.integration.emulator_process import FUNCTIONS
from tests.integration.rie import Answer, Emulator
from tests.integration.servers import free_port

RUNTIME = [sys.executable, "-m", "bridge.runtime"]

# What Lambda takes of a result and of a stream, in bytes.
LIMIT = 6_291_556

# How long an invocation may take, in seconds. The first one brings the runtime's start with it, on a machine that may
# have much else to do.
TIMEOUT = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "3"}

# Half of that is the most that the runtime gives up: long before the emulator's end of it, and sooner than by default.
SHORT_OF_TIME = TIMEOUT | {"BRIDGE_DEADLINE_MARGIN": "1500"}

STREAMS = {"AWS_LWA_INVOKE_MODE": "response_stream"}

TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
CONTEXT = {"custom": {"basket": "42"}}
COOKIES = ["session=def; Path=/; SameSite=lax", "basket=1; HttpOnly; Path=/; SameSite=lax"]

# One environment for the tests of a module that leave it as they found it.
Share = Callable[..., Emulator]


@pytest.fixture(scope="module")
def share(emulator_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    """`share("module:attribute", VARIABLE="value")`: an environment that was started before, or is now."""
    emulators: dict[object, Emulator] = {}

    def get(handler: str, **environ: str) -> Emulator:
        key = handler, *environ.items()
        if key not in emulators:
            journal = tmp_path_factory.mktemp("shared") / "journal"
            emulator = Emulator(emulator_binary, "", journal, environ, command=[*RUNTIME, handler])
            emulators[key] = emulator.__enter__()
        return emulators[key]

    yield get
    for emulator in emulators.values():
        emulator.stop()


@pytest.fixture
def market(share: Share) -> Emulator:
    return share("market:app")


@pytest.fixture
def streaming(share: Share) -> Emulator:
    return share("market:app", **STREAMS)


# An application as it is, and a Bridge around one, in either way to name it.
both_shops = pytest.mark.parametrize("shop", ["shop:app", "shop.handler"])
both_functions = pytest.mark.parametrize("name", ["plain", "asynchronous"])


def request(method: str, path: str, query: str = "", **overrides: Any) -> dict[str, Any]:
    """A Function URL's event without cookies or body."""
    blank = {"rawQueryString": query, "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def answered(status: int, body: str, content_type: str = "text/plain; charset=utf-8", **headers: str) -> Answer:
    """The answer to a Function URL's event whose response has these headers alone."""
    headers = {"content-length": str(len(body)), "content-type": content_type} | headers
    result = {"statusCode": status, "headers": headers, "cookies": [], "body": body, "isBase64Encoded": False}
    return Answer(200, result)


def json_of(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def streamed(body: bytes, status: int, headers: dict[str, str], *cookies: str) -> tuple[int, str, bytes]:
    """A stream as the emulator hands it over: status, content type (which it guesses), and all of it verbatim."""
    prelude = json.dumps({"statusCode": status, "headers": headers, "cookies": cookies}).encode()
    return 200, "application/octet-stream", prelude + bytes(8) + body


def exchange(emulator: Emulator, event: object) -> tuple[int, str, bytes]:
    status, headers, body = emulator.exchange(event)
    return status, headers["content-type"], body


def look(emulator: Emulator, name: str = "somebody", **about: Any) -> dict[str, Any]:
    """What the market tells of an invocation."""
    status, result = emulator.invoke(request("GET", "/look", f"name={name}"), **about)
    assert (status, result["statusCode"]) == (200, 200)
    seen: dict[str, Any] = json.loads(result["body"])
    return seen


def append(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def line_of_log(emulator: Emulator, end: str) -> str:
    """The line that ends so, once it is there whole."""
    log = emulator.wait_for_log(f"{end}\n")
    return next(line for line in log.split("\n") if line.endswith(end))


def ran_in(stack: list[str]) -> list[tuple[str, str, str]]:
    """The entries of a stack trace: file, function and code."""
    (*entries,) = re.findall(r'  File "(.*)", line \d+, in (\S+)\n    (.*)\n', "".join(stack))
    assert len(entries) == len(stack), stack
    return entries


# What is served


@both_shops
def test_function_url_event_is_answered(share: Share, shop: str) -> None:
    status, result = share(shop).invoke(load("function_url"))

    body = result.pop("body")
    headers = {
        "location": "/orders/1",
        "content-length": str(len(body.encode())),
        "content-type": "application/json",
    }
    assert (status, result) == (
        200,
        {"statusCode": 201, "headers": headers, "cookies": COOKIES, "isBase64Encoded": False},
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


@both_shops
def test_rest_api_event_is_answered(share: Share, shop: str) -> None:
    status, result = share(shop).invoke(load("rest_api"))

    body = result.pop("body")
    headers = {
        "location": ["/orders/1"],
        "content-length": [str(len(body.encode()))],
        "content-type": ["application/json"],
        "set-cookie": COOKIES,
    }
    assert (status, result) == (200, {"statusCode": 201, "multiValueHeaders": headers, "isBase64Encoded": False})
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


@both_shops
def test_alb_event_is_answered(share: Share, shop: str) -> None:
    status, result = share(shop).invoke(load("alb"))

    body = result.pop("body")
    headers = {
        "location": "/orders/1",
        "content-length": str(len(body.encode())),
        "content-type": "application/json",
        "set-cookie": COOKIES[0],
        "set-cookiE": COOKIES[1],
    }
    assert (status, result) == (
        200,
        {"statusCode": 201, "statusDescription": "201 Created", "headers": headers, "isBase64Encoded": False},
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


@both_shops
def test_binary_body_comes_back_as_the_bytes_that_were_sent(share: Share, shop: str) -> None:
    every_byte = bytes(range(256))
    event = request("POST", "/reverse", body=b64encode(every_byte).decode(), isBase64Encoded=True)

    status, result = share(shop).invoke(event)

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


def test_startup_runs_once_in_the_init_phase_and_its_loop_serves_every_invocation(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "shop.handler"])

    answers = [emulator.invoke(request("GET", "/tickets")) for _ in range(3)]

    # The tickets are numbered by a task of the startup, on the startup's event loop.
    assert answers == [answered(200, f'{{"ticket":{number}}}', "application/json") for number in (1, 2, 3)]
    assert emulator.journal() == [
        "import begins",
        "startup",
        "import ends",
        *["GET /tickets", "response complete"] * 3,
    ]


def test_application_knows_of_its_invocation_what_the_emulator_passes_on(market: Emulator) -> None:
    seen = look(market, "first", client_context=CONTEXT, trace_id=TRACE, tenant_id="blue")

    assert seen == {
        "name": "first",
        "process": market.runtime_pid(),
        "id": seen["id"],
        "custom": CONTEXT["custom"],
        "trace": None,  # The emulator keeps it to itself in this mode.
        "tenant": "blue",
    }
    bare = look(market, "second")
    assert bare == seen | {"name": "second", "id": bare["id"], "custom": None, "tenant": None}
    assert bare["id"] != seen["id"]


def test_log_lines_have_the_layout_of_text_and_the_id_of_their_own_invocation(market: Emulator) -> None:
    for name in ("third", "fourth"):
        seen = look(market, name)

        line = line_of_log(market, f"\t{seen['id']}\tlooking for {name}")
        level, time, *rest = line.split("\t")
        assert (level, rest) == ("[WARNING]", [seen["id"], f"looking for {name}"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
        assert f"START RequestId: {seen['id']} " in market.log()


@both_functions
def test_handler_function_is_called(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")

    answer = emulator.invoke({"name": "café"}, client_context=CONTEXT, trace_id=TRACE, tenant_id="blue")

    seen = answer.payload
    assert answer == (
        200,
        {
            "name": "café",
            "process": emulator.runtime_pid(),
            "thread": seen["thread"],
            "id": seen["id"],
            "custom": CONTEXT["custom"],
            "tenant": "blue",
            "current": [seen["id"], ""],
            "trace": None,
        },
    )
    assert line_of_log(emulator, f"\t{seen['id']}\tworking for café").startswith("[WARNING]\t")


def test_handler_is_what_lambda_says_if_the_command_does_not(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(command=RUNTIME, _HANDLER="handlers.asynchronous")

    assert emulator.invoke({"name": "first"}).payload["name"] == "first"
    assert emulator.invoke({"name": "second"}).payload["name"] == "second"


# What fails


def test_event_that_is_no_http_request_is_an_invocation_error(market: Emulator) -> None:
    before = look(market)

    status, error = market.invoke({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]})

    message = (
        "The event is not an HTTP request: expected an HTTP request from API Gateway (REST or HTTP API), a Function "
        "URL, an Application Load Balancer, Lambda@Edge (viewer or origin request) or VPC Lattice, but got an object "
        "with the keys 'Records'."
    )
    assert (status, error) == (
        200,
        {
            "errorMessage": message,
            "errorType": "UnsupportedEvent",
            "requestId": error["requestId"],
            "stackTrace": [],
        },
    )
    line_of_log(market, f"[ERROR] UnsupportedEvent: {message}")
    assert f"START RequestId: {error['requestId']} " in market.log()
    assert look(market)["process"] == before["process"]


def test_event_that_is_no_json_is_an_invocation_error(market: Emulator) -> None:
    status, error = market.invoke(b"not json")

    assert (status, error["errorType"]) == (200, "Runtime.UnmarshalError")
    assert error["errorMessage"].startswith("Expected an event in JSON, but got 8 bytes ")
    assert look(market, "behind it")["name"] == "behind it"


def test_application_that_raises_gives_a_500_and_its_traceback_to_the_log(market: Emulator) -> None:
    answer = market.invoke(request("GET", "/broken"))

    assert answer == answered(500, "Internal Server Error")
    market.wait_for_log('    raise ValueError("the shelf is empty")\nValueError: the shelf is empty\n')


@both_functions
def test_exception_of_a_handler_function_is_reported_with_its_class_and_its_stack(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")

    status, error = emulator.invoke({"fails": "no stock"})

    stack = error.pop("stackTrace")
    assert (status, error) == (
        200,
        {"errorMessage": "no stock", "errorType": "LookupError", "requestId": error["requestId"]},
    )
    file = str(FUNCTIONS / "handlers.py")
    assert ran_in(stack) == [
        (file, name, "return _result(event, context)"),
        (file, "_result", 'raise LookupError(event["fails"])'),
    ]
    log = emulator.wait_for_log('raise LookupError(event["fails"])\n')
    assert "[ERROR] LookupError: no stock\nTraceback (most recent call last):\n" in log


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("absent:app", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
        (
            "market:absent",
            "Runtime.HandlerNotFound",
            (
                f"Expected 'absent' in the module 'market' ({FUNCTIONS / 'market.py'}), but it has none. "
                "Is the handler 'market:absent' spelt right?"
            ),
        ),
    ],
    ids=["module", "attribute"],
)
def test_handler_that_is_not_there_is_an_init_error(
    start_emulator: StartEmulator, handler: str, error_type: str, message: str
) -> None:
    emulator = start_emulator(command=[*RUNTIME, handler])

    assert emulator.invoke({}) == (
        502,
        {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": []},
    )
    line_of_log(emulator, f"[ERROR] {error_type}: {message}")


def test_init_that_fails_is_reported_and_the_next_invocation_tries_it_again(
    start_emulator: StartEmulator, tmp_path: Path
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "unready:app"])
    file, why = str(FUNCTIONS / "unready.py"), 'raise RuntimeError(f"no {thing}")'

    status, error = emulator.invoke(request("GET", "/"))
    stack = error.pop("stackTrace")
    assert (status, error) == (502, {"errorMessage": "no secret", "errorType": "RuntimeError", "requestId": ""})
    assert ran_in(stack) == [(file, "<module>", 'need("secret")'), (file, "need", why)]

    append(tmp_path / "journal", "secret")
    status, error = emulator.invoke(request("GET", "/"))
    message = error.pop("errorMessage")
    assert (status, error) == (502, {"errorType": "StartupFailed", "requestId": "", "stackTrace": error["stackTrace"]})
    assert message.startswith("The application's startup failed: Traceback (most recent call last):\n")
    assert message.endswith(f", in need\n    {why}\nRuntimeError: no database")

    append(tmp_path / "journal", "database")
    assert emulator.invoke(request("GET", "/")) == answered(200, "ready")


@both_functions
def test_handler_function_that_exits_ends_the_runtime_and_the_next_invocation_starts_another(
    start_emulator: StartEmulator, name: str
) -> None:
    emulator = start_emulator(command=[*RUNTIME, f"handlers.{name}"])
    first = emulator.invoke({"name": "first"}).payload

    status, error = emulator.invoke({"exits": 3})

    assert (status, error["errorType"]) == (502, "Runtime.ExitError")
    assert error["errorMessage"].endswith(" Error: Runtime exited with error: exit status 3")
    second = emulator.invoke({"name": "second"}).payload
    assert (second["name"], second["process"] != first["process"]) == ("second", True)


# Sizes


def test_result_of_the_largest_size_comes_whole_and_one_byte_more_is_a_500(market: Emulator) -> None:
    around = len(json_of(answered(200, "x" * 1_000_000).payload)) - 1_000_000  # content-length has seven digits
    largest = LIMIT - around

    whole = market.exchange(request("GET", "/fill", f"size={largest}"))
    refused = market.invoke(request("GET", "/fill", f"size={largest + 1}"))

    assert (len(whole.body), json.loads(whole.body)) == (LIMIT, answered(200, "x" * largest).payload)
    text = f"The result has {LIMIT + 1} bytes as JSON, and Lambda takes {LIMIT} at most."
    assert refused == answered(500, f"{text} Stream it, or send less.")
    market.wait_for_log(text)
    assert look(market, "behind it")["name"] == "behind it"


@both_functions
def test_result_of_a_handler_function_that_is_too_large_is_an_error_of_that_name(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")
    quotes = len('""')

    whole = emulator.exchange({"size": LIMIT - quotes})
    status, error = emulator.invoke({"size": LIMIT - quotes + 1})

    assert (len(whole.body), json.loads(whole.body)) == (LIMIT, "x" * (LIMIT - quotes))
    text = f"The result has {LIMIT + 1} bytes as JSON, and Lambda takes {LIMIT} at most."
    assert (status, error) == (
        200,
        {
            "errorMessage": text,
            "errorType": "Function.ResponseSizeTooLarge",
            "requestId": error["requestId"],
            "stackTrace": [],
        },
    )
    line_of_log(emulator, f"[ERROR] Function.ResponseSizeTooLarge: {text}")


# Deadlines


def test_request_that_hangs_is_a_504_before_the_deadline_and_the_environment_lives_on(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "market:app"], **TIMEOUT)
    before = look(emulator)

    late = emulator.invoke(request("GET", "/late", "line=never"))

    assert late == answered(504, "Gateway Timeout")
    log = emulator.wait_for_log("await (asyncio.Event().wait() if line ==")
    assert "deadline of the invocation is near. Where it stands:\nTask bridge invocation:\n" in log
    assert f'File "{FUNCTIONS / "market.py"}", line ' in log
    assert look(emulator)["process"] == before["process"]
    assert emulator.journal() == ["startup", "cancelled: never"]


def test_work_behind_the_response_ends_before_the_deadline_and_the_client_has_its_response(
    share: Share,
) -> None:
    emulator = share("market:app", **SHORT_OF_TIME)
    before = look(emulator)

    answer = emulator.invoke(request("GET", "/first", "line=never"))

    assert answer == answered(200, "soon")
    log = emulator.wait_for_log("await (asyncio.Event().wait() if line ==")
    assert "The application works on after its answer, and its time is over. Where it stands:\n" in log
    assert look(emulator)["process"] == before["process"]
    assert emulator.journal()[-1] == "cancelled: never"


def test_stream_that_hangs_is_a_504_or_broken_off_and_the_environment_lives_on(share: Share) -> None:
    emulator = share("market:app", **SHORT_OF_TIME, **STREAMS)
    before = emulator.exchange(request("GET", "/look"))

    late = exchange(emulator, request("GET", "/late", "line=never"))
    broken = exchange(emulator, request("GET", "/stream", "end=hangs"))

    assert late == streamed(b"Gateway Timeout", 504, {"content-type": "text/plain; charset=utf-8"})
    # Of the error behind it the emulator tells nothing.
    assert broken == parts_of_a_stream()
    line_of_log(emulator, "[ERROR] Function.DeadlineExceeded: There was no result, and the deadline is near.")
    assert emulator.log().count("Task bridge application:") == 2
    assert process_of(emulator.exchange(request("GET", "/look")).body) == process_of(before.body)
    assert emulator.journal() == ["startup", *["cancelled: never"] * 2]


def test_async_function_that_hangs_is_an_error_before_the_deadline_and_the_environment_lives_on(share: Share) -> None:
    emulator = share("handlers.asynchronous", **SHORT_OF_TIME)
    before = emulator.invoke({"name": "first"}).payload

    status, error = emulator.invoke({"hangs": True})

    assert (status, error) == (
        200,
        {
            "errorMessage": "There was no result, and the deadline is near.",
            "errorType": "Function.DeadlineExceeded",
            "requestId": error["requestId"],
            "stackTrace": [],
        },
    )
    emulator.wait_for_log("in asynchronous\n    await asyncio.Event().wait()\n")
    assert emulator.invoke({"name": "second"}).payload["process"] == before["process"]


def test_plain_function_that_hangs_is_seen_in_the_log_and_ended_by_lambda(share: Share) -> None:
    emulator = share("handlers.plain", **SHORT_OF_TIME)
    before = emulator.invoke({"name": "first"}).payload

    status, _, body = emulator.exchange({"hangs": True})

    assert (status, body) == (200, b"Task timed out after 3.00 seconds")
    log = emulator.wait_for_log("in plain\n    threading.Event().wait()\n")
    assert "The function has no result, and the deadline of the invocation is near. Where it stands:\n" in log
    assert emulator.invoke({"name": "second"}).payload["process"] != before["process"]


# Streams


def parts_of_a_stream() -> tuple[int, str, bytes]:
    headers = {"content-type": "text/plain; charset=utf-8"}
    return streamed(b"one and \0 two", 202, headers, "basket=1; Path=/; SameSite=lax")


def process_of(stream: bytes) -> object:
    """The process in what the market tells of an invocation."""
    return json.loads(stream.partition(bytes(8))[2])["process"]


@pytest.mark.parametrize("source", ["function_url", "rest_api"])
def test_stream_is_a_prelude_then_nul_bytes_and_the_body_as_it_is(streaming: Emulator, source: str) -> None:
    events = {
        "function_url": request("GET", "/stream", "end=whole"),
        "rest_api": load(
            "rest_api",
            path="/stream",
            httpMethod="GET",
            multiValueQueryStringParameters={"end": ["whole"]},
            queryStringParameters={"end": "whole"},
            body=None,
        ),
    }
    assert exchange(streaming, events[source]) == parts_of_a_stream()


def test_stream_without_a_body_has_its_prelude(streaming: Emulator) -> None:
    assert exchange(streaming, request("GET", "/nothing")) == streamed(b"", 204, {"x-shelf": "empty"})


def test_stream_that_breaks_off_is_taken_and_the_next_one_is_whole(streaming: Emulator) -> None:
    # Of the error in the trailers the emulator tells nothing in this mode.
    for end in ("fails", "fails at length", "whole"):
        assert exchange(streaming, request("GET", "/stream", f"end={end}")) == parts_of_a_stream()

    log = streaming.wait_for_log("[ERROR] ValueError: the shelf is very very ")
    assert "[ERROR] ValueError: the shelf is empty\nTraceback (most recent call last):\n" in log
    assert "did not take the answer" not in log


def test_stream_to_a_load_balancer_is_one_result(streaming: Emulator) -> None:
    event = load("alb", path="/stream", httpMethod="GET", queryStringParameters={"end": "whole"}, body="")

    assert streaming.invoke(event) == (
        200,
        {
            "statusCode": 202,
            "statusDescription": "202 Accepted",
            "headers": {
                "content-type": "text/plain; charset=utf-8",
                "set-cookie": "basket=1; Path=/; SameSite=lax",
            },
            "body": "one and \0 two",
            "isBase64Encoded": False,
        },
    )


def test_event_that_is_no_http_request_is_no_stream(streaming: Emulator) -> None:
    status, error = streaming.invoke({"Records": []})

    assert (status, error["errorType"]) == (200, "UnsupportedEvent")


def test_stream_that_is_too_large_for_the_emulator_costs_that_one_alone(streaming: Emulator) -> None:
    status, error = streaming.invoke(request("GET", "/fill", "size=7000000"))

    assert (status, error) == (
        200,
        {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes).",
        },
    )
    line_of_log(streaming, f'payload size ({LIMIT} bytes).","errorType":"RequestEntityTooLarge"}}.')
    assert exchange(streaming, request("GET", "/nothing")) == streamed(b"", 204, {"x-shelf": "empty"})


# Work behind the response, and the end


@pytest.mark.parametrize("environ", [{}, STREAMS], ids=["buffered", "stream"])
def test_work_behind_the_response_ends_before_the_next_invocation(
    start_emulator: StartEmulator, tmp_path: Path, environ: dict[str, str]
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "market:app"], **environ)

    with ThreadPoolExecutor() as threads:
        soon = threads.submit(exchange, emulator, request("GET", "/first", "line=go on"))
        emulator.wait_for_log("waiting for go on")
        append(tmp_path / "journal", "go on")
        status, _, body = answer = soon.result()

    if environ:
        assert answer == streamed(b"soon", 200, {"content-type": "text/plain; charset=utf-8"})
    else:
        assert (status, json.loads(body)) == answered(200, "soon")
    assert emulator.exchange(request("GET", "/nothing")).status == 200
    assert emulator.journal() == ["startup", "go on", "waited for go on"]


@pytest.mark.parametrize(("extension", "end"), [("auto", ["shutdown"]), ("on", ["shutdown"]), ("off", [])])
def test_end_of_the_environment_reaches_the_application_through_the_extension(
    start_emulator: StartEmulator, extension: str, end: list[str]
) -> None:
    emulator = start_emulator(command=[*RUNTIME, "market:app"], BRIDGE_EXTENSION=extension)
    look(emulator)
    assert emulator.journal() == ["startup"]

    emulator.stop()

    assert emulator.journal() == ["startup", *end]


# Proxy


@pytest.fixture
def web_port() -> Iterator[str]:
    """A port for a web server, which is killed should its runtime have left it behind."""
    port = str(free_port())
    yield port
    for pid in servers_on(port):
        os.kill(pid, signal.SIGKILL)


def servers_on(port: str) -> list[int]:
    """The processes that have the port among their arguments, the runtime and the emulator aside."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It has ended since.
            arguments = file.read_bytes().split(b"\0")
            if port.encode() in arguments and b"bridge.runtime" not in arguments:
                found.append(int(file.parent.name))
    return found


def test_command_behind_proxy_is_started_asked_and_ended(start_emulator: StartEmulator, web_port: str) -> None:
    server = [sys.executable, "-m", "http.server", web_port, "--bind", "127.0.0.1"]
    emulator = start_emulator(command=[*RUNTIME, "--proxy", "--", *server], AWS_LWA_PORT=web_port)
    code = (FUNCTIONS / "plain.py").read_text(encoding="utf-8")

    answers = [emulator.invoke(request("GET", path)) for path in ("/plain.py", "/absent")]

    headers = answers[0].payload["headers"]
    its_own = {name: headers[name] for name in ("content-type", "date", "last-modified", "server")}
    assert answers[0] == (200, answered(200, code).payload | {"headers": its_own | {"content-length": str(len(code))}})
    assert answers[1].payload["statusCode"] == 404
    assert len(servers_on(web_port)) == 1

    emulator.stop()

    assert servers_on(web_port) == []


def test_proxy_in_a_module_is_served_and_ended(start_emulator: StartEmulator, web_port: str) -> None:
    emulator = start_emulator(command=[*RUNTIME, "proxied.handler"], SITE="proxied_site:app", SITE_PORT=web_port)

    status, result = emulator.invoke(
        request("POST", "/caf%C3%A9", body=b64encode(b"two").decode(), isBase64Encoded=True)
    )

    body = result["body"]
    (pid,) = servers_on(web_port)
    assert result["headers"].pop("date")
    assert (status, result) == answered(200, body, "application/json", server="uvicorn")
    assert json.loads(body) == {
        "method": "POST",
        "path": "/caf%C3%A9",
        "body": "two",
        "function": "shop",
        "trace": True,
        "pid": pid,
    }

    emulator.stop()

    assert emulator.journal() == [f"{pid} starts", f"{pid} ends"]
    assert servers_on(web_port) == []


def test_web_server_that_hangs_costs_one_504_and_is_killed_at_the_end(
    start_emulator: StartEmulator, web_port: str
) -> None:
    environ = {"SITE": "proxied_site:app", "SITE_PORT": web_port, **SHORT_OF_TIME}
    emulator = start_emulator(command=[*RUNTIME, "proxied.handler"], **environ)

    answer = emulator.invoke(request("GET", "/hang"))

    assert answer == answered(504, "Gateway Timeout")
    emulator.wait_for_log("There is no result, and the deadline of the invocation is near. Where it stands:\n")
    (pid,) = servers_on(web_port)
    assert json.loads(emulator.invoke(request("GET", "/page")).payload["body"])["pid"] == pid

    emulator.stop()

    assert servers_on(web_port) == []
