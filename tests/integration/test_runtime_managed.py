"""`python -m bridge.runtime` on Managed Instances, many invocations at a time, under AWS's own emulator and boto3."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.events import MISSING, load
from tests.integration.conftest import StartManaged
from tests.integration.managed import ManagedAnswer, ManagedEmulator, missing_platform_for_managed_instances

RUNTIME = [sys.executable, "-m", "bridge.runtime"]
STREAMS = {"AWS_LWA_INVOKE_MODE": "response_stream"}
SLOTS = 8

# What Lambda takes of a result and of a stream, in bytes.
LIMIT = 6_291_556

# What a stream's type is, so that Lambda takes its beginning for a prelude.
STREAM_TYPE = "application/vnd.awslambda.http-integration-response"

CONTEXT = {"custom": {"basket": "42"}}

Share = Callable[..., ManagedEmulator]


@pytest.fixture(scope="module")
def share(emulator_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    """`share("module:attribute", VARIABLE="value")`: an environment for the tests that leave it as they found it."""
    if reason := missing_platform_for_managed_instances():
        pytest.skip(reason)
    emulators: dict[object, ManagedEmulator] = {}
    with ExitStack() as running:

        def get(handler: str, **environ: str) -> ManagedEmulator:
            key = handler, *environ.items()
            if key not in emulators:
                journal = tmp_path_factory.mktemp("shared") / "journal"
                emulator = ManagedEmulator(emulator_binary, [*RUNTIME, handler], environ=environ, journal=journal)
                emulators[key] = running.enter_context(emulator)
            emulators[key].wait_for_polls()
            return emulators[key]

        yield get


both_functions = pytest.mark.parametrize("name", ["plain", "asynchronous"])


def request(path: str, query: str = "") -> dict[str, Any]:
    """A Function URL's event without cookies or body."""
    blank = {"rawQueryString": query, "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": "GET"})


def seen(answer: ManagedAnswer) -> dict[str, Any]:
    """What the market tells of an invocation, out of a result."""
    assert (answer.status, answer.error_type, answer.content_type) == (200, None, "application/json")
    told: dict[str, Any] = json.loads(answer.payload["body"])
    return told


def text(status: int, body: str) -> dict[str, Any]:
    """The result with such a response."""
    headers = {"content-length": str(len(body)), "content-type": "text/plain; charset=utf-8"}
    return {"statusCode": status, "headers": headers, "cookies": [], "body": body, "isBase64Encoded": False}


def failed(document: dict[str, Any], error_type: str) -> tuple[int, str, dict[str, Any]]:
    """The status, the type and the body of an error."""
    return 200, error_type, document


def failure(answer: ManagedAnswer) -> tuple[int, str | None, dict[str, Any]]:
    return answer.status, answer.error_type, answer.payload


def streamed(body: bytes, status: int, headers: dict[str, str], *cookies: str) -> ManagedAnswer:
    """A stream as the emulator hands it over: all of it verbatim."""
    prelude = json.dumps({"statusCode": status, "headers": headers, "cookies": cookies}).encode()
    return ManagedAnswer(200, prelude + bytes(8) + body, None, STREAM_TYPE)


def parts_of_a_stream() -> ManagedAnswer:
    headers = {"content-type": "text/plain; charset=utf-8"}
    return streamed(b"one and \0 two", 202, headers, "basket=1; Path=/; SameSite=lax")


def record(logger: str, message: str, request_id: str) -> str:
    """A line of the log, from its level on."""
    fields = {"level": "WARNING", "message": message, "logger": logger, "requestId": request_id}
    return json.dumps(fields)[1:] + "\n"


def append(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


# Many at once


def test_all_slots_are_answered_at_once_in_one_process_each_with_its_own(share: Share) -> None:
    emulator = share("market:app")
    names = [f"customer-{number}" for number in range(SLOTS)]

    # Nobody gets an answer before all of them are there.
    answers = emulator.invoke_many(request("/meet", f"parties={SLOTS}&name={name}") for name in names)

    (process,) = emulator.runtime_pids()
    told = [seen(answer) for answer in answers]
    ids = [each["id"] for each in told]
    assert told == [
        {"name": name, "process": process, "id": its_id, "custom": None, "trace": None, "tenant": None}
        for name, its_id in zip(names, ids, strict=True)
    ]
    assert len(set(ids)) == SLOTS
    for name, its_id in zip(names, ids, strict=True):
        emulator.wait_for_log(record("market", f"looking for {name}", its_id))


def test_every_answer_brings_its_invocation_id_back(share: Share) -> None:
    emulator = share("market:app")

    its_id = seen(emulator.invoke(request("/look")))["id"]

    log = emulator.wait_for_log(f"url=/2018-06-01/runtime/invocation/{its_id}/response")
    (line,) = (line for line in log.split("\n") if f"/invocation/{its_id}/response headers=" in line)
    assert "Lambda-Runtime-Invocation-Id:[" in line


def test_slots_serve_one_burst_after_the_other(share: Share) -> None:
    emulator = share("market:app")
    names = [[f"{burst}-{number}" for number in range(SLOTS)] for burst in range(5)]

    answered = []
    for burst in names:
        emulator.wait_for_polls()
        answers = emulator.invoke_many(request("/meet", f"parties={SLOTS}&name={name}") for name in burst)
        answered.append([seen(answer)["name"] for answer in answers])

    assert answered == names
    assert emulator.journal() == ["startup"]


@pytest.mark.parametrize(("name", "threads"), [("plain", SLOTS), ("asynchronous", 1)])
def test_handler_functions_run_at_once_and_know_their_own_invocation(share: Share, name: str, threads: int) -> None:
    emulator = share(f"handlers.{name}")
    traces = [f"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e70{number};Sampled=1" for number in range(SLOTS)]

    with ThreadPoolExecutor(SLOTS) as callers:
        calls = [
            callers.submit(
                emulator.invoke, {"name": trace, "meets": True}, trace_id=trace, client_context={"custom": {"n": trace}}
            )
            for trace in traces
        ]
        answers = [call.result() for call in calls]

    (process,) = emulator.runtime_pids()
    told = [answer.payload for answer in answers]
    assert told == [
        {
            "name": trace,
            "process": process,
            "thread": each["thread"],
            "id": each["id"],
            "custom": {"n": trace},
            "tenant": None,  # The emulator passes none on in this mode.
            "current": [each["id"], trace],
            "trace": None,  # In the environment there is room for one.
        }
        for trace, each in zip(traces, told, strict=True)
    ]
    assert (len({each["id"] for each in told}), len({each["thread"] for each in told})) == (SLOTS, threads)
    for each in told:
        emulator.wait_for_log(record("handlers", f"working for {each['name']}", each["id"]))


def test_workers_share_the_slots_and_each_has_a_startup_and_a_shutdown(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], max_concurrency=SLOTS, BRIDGE_WORKERS="2")
    share = SLOTS // 2

    # As many as a worker has slots must meet in it.
    answers = emulator.invoke_many(request("/meet", f"parties={share}&name={number}") for number in range(SLOTS))

    parent, *workers = emulator.runtime_pids()
    told = [seen(answer) for answer in answers]
    assert [each["name"] for each in told] == [str(number) for number in range(SLOTS)]
    assert sorted(each["process"] for each in told) == sorted(workers * share)
    assert (len(workers), parent in workers) == (2, False)

    emulator.wait_for_polls()
    emulator.stop()

    assert emulator.journal() == ["startup", "startup", "shutdown", "shutdown"]


# Errors


def test_event_that_is_no_http_request_is_an_error_with_a_type(share: Share) -> None:
    answer = share("market:app").invoke({"Records": []})

    message = (
        "The event is not an HTTP request: expected an HTTP request from API Gateway (REST or HTTP API), a Function "
        "URL, an Application Load Balancer, Lambda@Edge (viewer or origin request) or VPC Lattice, but got an object "
        "with the keys 'Records'."
    )
    document = {
        "errorMessage": message,
        "errorType": "UnsupportedEvent",
        "requestId": answer.payload["requestId"],
        "stackTrace": [],
    }
    assert failure(answer) == failed(document, "Function.UnsupportedEvent")


def test_event_that_is_no_json_is_an_error_with_a_type(share: Share) -> None:
    answer = share("market:app").invoke(b"not json")

    assert (answer.status, answer.error_type) == (200, "Runtime.UnmarshalError")
    assert answer.payload["errorMessage"].startswith("Expected an event in JSON, but got 8 bytes ")


def test_application_that_raises_is_a_500(share: Share) -> None:
    emulator = share("market:app")

    answer = emulator.invoke(request("/broken"))

    assert (answer.error_type, answer.payload) == (None, text(500, "Internal Server Error"))
    assert '"errorType": "ValueError", "errorMessage": "the shelf is empty"' in emulator.wait_for_log(
        '"errorMessage": "the shelf is empty"'
    )


@both_functions
def test_exception_of_a_handler_function_has_its_class_as_the_type(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")

    answer = emulator.invoke({"fails": "no stock"})

    document = answer.payload
    stack = "".join(document["stackTrace"])
    assert failure(answer) == failed(
        {
            "errorMessage": "no stock",
            "errorType": "LookupError",
            "requestId": document["requestId"],
            "stackTrace": document["stackTrace"],
        },
        "Function.LookupError",
    )
    assert stack.startswith('  File "/var/task/handlers.py", line ')
    assert stack.endswith(', in _result\n    raise LookupError(event["fails"])\n')
    line = f'"level": "ERROR", {json.dumps(document)[1:]}\n'
    emulator.wait_for_log(line)


def test_result_of_the_largest_size_comes_whole_and_one_byte_more_is_a_500(share: Share) -> None:
    emulator = share("market:app")
    around = len(json.dumps(text(200, "x" * 1_000_000), separators=(",", ":"))) - 1_000_000
    largest = LIMIT - around

    whole = emulator.invoke(request("/fill", f"size={largest}"))
    refused = emulator.invoke(request("/fill", f"size={largest + 1}"))

    assert (len(whole.body), whole.error_type, whole.payload) == (LIMIT, None, text(200, "x" * largest))
    message = f"The result has {LIMIT + 1} bytes as JSON, and Lambda takes {LIMIT} at most."
    assert (refused.error_type, refused.payload) == (None, text(500, f"{message} Stream it, or send less."))


@both_functions
def test_result_of_a_handler_function_that_is_too_large_is_an_error_of_that_name(share: Share, name: str) -> None:
    emulator = share(f"handlers.{name}")
    size = LIMIT - len('""')

    whole, refused = emulator.invoke({"size": size}), emulator.invoke({"size": size + 1})

    assert (len(whole.body), whole.error_type, whole.payload) == (LIMIT, None, "x" * size)
    document = {
        "errorMessage": f"The result has {LIMIT + 1} bytes as JSON, and Lambda takes {LIMIT} at most.",
        "errorType": "Function.ResponseSizeTooLarge",
        "requestId": refused.payload["requestId"],
        "stackTrace": [],
    }
    assert failure(refused) == failed(document, "Function.ResponseSizeTooLarge")


def test_init_that_fails_ends_the_environment_and_the_log_tells_why(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "absent:app"], ready=False)

    assert emulator.wait_for_exit() == 1
    emulator.wait_for_log(
        '"level": "ERROR", "errorMessage": "Unable to import module \'absent\': No module named \'absent\'", '
        '"errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}\n'
    )


def test_process_that_dies_ends_the_environment(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"])

    answer = emulator.invoke(request("/leave"))

    assert (answer.status, answer.error_type) == (200, "Runtime.ExitError")
    assert emulator.wait_for_exit() == 1


# Streams


def test_stream_is_passed_on_verbatim_with_its_content_type_and_mode(share: Share) -> None:
    emulator = share("market:app", **STREAMS)

    status, headers, body = emulator.exchange(request("/stream", "end=whole"))

    expected = parts_of_a_stream()
    assert (status, body) == (200, expected.body)
    assert headers["content-type"] == STREAM_TYPE
    assert headers["lambda-runtime-function-response-mode"] == "streaming"
    assert "error-type" not in headers


def test_stream_without_a_body_has_its_prelude(share: Share) -> None:
    answer = share("market:app", **STREAMS).invoke(request("/nothing"))

    assert answer == streamed(b"", 204, {"x-shelf": "empty"})


def test_streams_run_at_once(share: Share) -> None:
    emulator = share("market:app", **STREAMS)

    answers = emulator.invoke_many(request("/meet", f"parties={SLOTS}&name={number}") for number in range(SLOTS))

    told = [json.loads(answer.body.partition(bytes(8))[2]) for answer in answers]
    assert [each["name"] for each in told] == [str(number) for number in range(SLOTS)]
    assert ([answer.content_type for answer in answers]) == [STREAM_TYPE] * SLOTS


@pytest.mark.parametrize("end", ["fails", "fails at length"])
def test_stream_that_breaks_off_is_an_error_with_its_type_and_document(share: Share, end: str) -> None:
    emulator = share("market:app", **STREAMS)

    answer = emulator.invoke(request("/stream", f"end={end}"))

    document = answer.payload
    message, stack = document["errorMessage"], document["stackTrace"]
    expected = {
        "errorMessage": message,
        "errorType": "ValueError",
        "requestId": document["requestId"],
        "stackTrace": stack,
    }
    assert failure(answer) == failed(expected, "Function.ValueError")
    # Of a document that no trailer takes it is the beginning of the message, and the innermost calls.
    whole = "the shelf is empty" if end == "fails" else "the shelf is " + "very " * 10_000 + "empty"
    assert (whole.startswith(message), len(message) >= min(len(whole), 100)) == (True, True)
    assert stack[-1].startswith('  File "/var/task/market.py", line ')
    assert stack[-1].endswith("\n")
    emulator.wait_for_log(f'"errorType": "ValueError", "requestId": "{document["requestId"]}"')
    assert emulator.invoke(request("/nothing")) == streamed(b"", 204, {"x-shelf": "empty"})


def test_stream_that_is_too_large_for_the_emulator_costs_that_one_alone(share: Share) -> None:
    emulator = share("market:app", **STREAMS)

    answer = emulator.invoke(request("/fill", "size=7000000"))

    error_type = "Function.ResponseSizeTooLarge"
    assert failure(answer) == failed({"errorType": error_type}, error_type)
    # In one line, although the emulator's own text ends with a line feed.
    refusal = r"413 {\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\""
    emulator.wait_for_log(rf"did not take the answer: {refusal},\"errorType\":\"RequestEntityTooLarge\"}}." + '"')
    assert emulator.invoke(request("/nothing")) == streamed(b"", 204, {"x-shelf": "empty"})


def test_stream_that_is_cut_with_its_process_is_never_taken_for_a_whole_one(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], **STREAMS)

    answer = emulator.invoke(request("/stream", "end=dies"))

    # The emulator sees the end of the connection and that of the process, in either order.
    assert (answer.status, answer.error_type in ("Runtime.TruncatedResponse", "Runtime.ExitError")) == (200, True)
    assert answer.payload["errorType"] == answer.error_type
    assert emulator.wait_for_exit() == 1


# Time


@pytest.mark.parametrize("environ", [{}, STREAMS], ids=["buffered", "stream"])
def test_client_has_its_response_before_the_work_behind_it_has_ended(
    start_managed: StartManaged, tmp_path: Path, environ: dict[str, str]
) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], max_concurrency=2, **environ)

    soon = emulator.invoke(request("/first", "line=go on"))

    emulator.wait_for_log("waiting for go on")
    assert emulator.journal() == ["startup"]
    if environ:
        assert soon == streamed(b"soon", 200, {"content-type": "text/plain; charset=utf-8"})
    else:
        assert (soon.error_type, soon.payload) == (None, text(200, "soon"))
    # Its slot is busy: there is room for one more, and not for two.
    emulator.wait_for_polls(1)
    with ThreadPoolExecutor() as threads:
        other = threads.submit(emulator.invoke, request("/late", "line=go on"))
        emulator.wait_until_busy()
        refused = emulator.invoke(request("/look"))
        append(tmp_path / "journal", "go on")
        assert (refused.error_type, other.result().error_type) == ("Runtime.Unavailable", None)
    emulator.wait_for_polls()
    assert emulator.journal() == ["startup", "go on", *["waited for go on"] * 2]


def test_invocation_that_is_too_late_disturbs_no_other_one(start_managed: StartManaged, tmp_path: Path) -> None:
    """The deadline that the emulator tells in this mode is years ahead: it is the emulator that gives up."""
    emulator = start_managed([*RUNTIME, "market:app"], max_concurrency=3, AWS_LAMBDA_FUNCTION_TIMEOUT="1")
    process = seen(emulator.invoke(request("/look")))["process"]
    emulator.wait_for_polls()

    with ThreadPoolExecutor() as threads:
        late = threads.submit(emulator.invoke, request("/late", "line=at last"))
        emulator.wait_for_log("waiting for at last")
        meanwhile = seen(emulator.invoke(request("/look", "name=meanwhile")))
        timed_out = late.result()
    after = seen(emulator.invoke(request("/look", "name=after")))

    document = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 1.00 seconds"}
    assert failure(timed_out) == failed(document, "Sandbox.Timedout")
    assert [(each["name"], each["process"]) for each in (meanwhile, after)] == [
        ("meanwhile", process),
        ("after", process),
    ]

    append(tmp_path / "journal", "at last")
    refusal = r"410 {\"errorMessage\":\"Invoke timeout\",\"errorType\":\"InvokeTimeout\"}"
    emulator.wait_for_log(f"The answer came too late: the invocation is over ({refusal})." + '"')
    emulator.wait_for_polls()
    answers = emulator.invoke_many(request("/meet", "parties=3") for _ in range(3))
    assert [seen(answer)["process"] for answer in answers] == [process] * 3
    assert emulator.journal() == ["startup", "at last", "waited for at last"]


@pytest.mark.parametrize(("extension", "end"), [("auto", ["shutdown"]), ("off", [])])
def test_end_of_the_environment_reaches_the_application_through_the_extension(
    start_managed: StartManaged, extension: str, end: list[str]
) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], BRIDGE_EXTENSION=extension)
    assert emulator.journal() == ["startup"]

    emulator.stop()

    assert emulator.journal() == ["startup", *end]
