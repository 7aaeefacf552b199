"""`python -m bridge.runtime` on Managed Instances, many invocations at a time, under AWS's own emulator and boto3."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import StartManaged
from tests.integration.emulated import LIMIT, PLAIN_TEXT, STREAMS, buffered, request, streamed
from tests.integration.managed import ManagedAnswer, ManagedEmulator, missing_platform_for_managed_instances

RUNTIME = [sys.executable, "-m", "bridge.runtime"]
SLOTS = 8

# The type of a stream whose beginning Lambda reads as a prelude.
STREAM_TYPE = "application/vnd.awslambda.http-integration-response"

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


def get(path: str, query: str = "") -> dict[str, Any]:
    return request("GET", path, query)


def seen(answer: ManagedAnswer) -> dict[str, Any]:
    """Return the market's report of an invocation from a result."""
    assert (answer.status, answer.error_type, answer.content_type) == (200, None, "application/json")
    told: dict[str, Any] = json.loads(answer.payload["body"])
    return told


def record(logger: str, message: str, request_id: str) -> str:
    """Return a line of the log, from its level on."""
    fields = {"level": "WARNING", "message": message, "logger": logger, "requestId": request_id}
    return json.dumps(fields)[1:] + "\n"


def append(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


# Many concurrently.


def test_all_slots_are_answered_concurrently_in_one_process_each_with_its_own(share: Share) -> None:
    emulator = share("market:app")
    for burst in range(3):
        names = [f"customer-{burst}-{number}" for number in range(SLOTS)]
        emulator.wait_for_polls()

        # None gets an answer before all of them are there.
        answers = emulator.invoke_many(get("/meet", f"parties={SLOTS}&name={name}") for name in names)

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
            log = emulator.wait_for_log(f"/invocation/{its_id}/response headers=")
            line = log.partition(f"/invocation/{its_id}/response headers=")[2].partition("\n")[0]
            assert "Lambda-Runtime-Invocation-Id:[" in line
    assert emulator.journal().count("startup") == 1


@pytest.mark.parametrize(("name", "threads"), [("plain", SLOTS), ("asynchronous", 1)])
def test_handler_functions_run_concurrently_and_know_their_own_invocation(
    share: Share, name: str, threads: int
) -> None:
    emulator = share(f"handlers.{name}")
    traces = [f"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e70{number};Sampled=1" for number in range(SLOTS)]

    with ThreadPoolExecutor(SLOTS) as callers:
        calls = [
            callers.submit(
                emulator.invoke, {"name": trace, "meets": True}, trace_id=trace, client_context={"custom": {"n": trace}}
            )
            for trace in traces
        ]
        told = [call.result().payload for call in calls]
    emulator.wait_for_polls()
    failed = emulator.invoke({"fails": "no stock"})

    (process,) = emulator.runtime_pids()
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
    assert (failed.status, failed.error_type) == (200, "Function.LookupError")
    assert (failed.payload["errorType"], failed.payload["errorMessage"]) == ("LookupError", "no stock")
    emulator.wait_for_log(f'"level": "ERROR", {json.dumps(failed.payload)[1:]}\n')


def test_workers_share_the_slots_and_each_has_a_startup_and_a_shutdown(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], max_concurrency=SLOTS, BRIDGE_WORKERS="2")
    share = SLOTS // 2

    # As many as a worker has slots must meet in it.
    answers = emulator.invoke_many(get("/meet", f"parties={share}&name={number}") for number in range(SLOTS))

    parent, *workers = emulator.runtime_pids()
    told = [seen(answer) for answer in answers]
    assert [each["name"] for each in told] == [str(number) for number in range(SLOTS)]
    assert sorted(each["process"] for each in told) == sorted(workers * share)
    assert (len(workers), parent in workers) == (2, False)

    emulator.wait_for_polls()
    emulator.stop()  # SIGTERM comes through the extension

    assert emulator.journal() == ["startup", "startup", "shutdown", "shutdown"]


# Errors.


def test_errors_have_a_type_and_the_largest_result_comes_whole(share: Share) -> None:
    emulator = share("market:app")
    around = len(json.dumps(buffered(200, "x" * 1_000_000), separators=(",", ":"))) - 1_000_000

    unsupported = emulator.invoke({"Records": []})
    malformed = emulator.invoke(b"not json")
    broken = emulator.invoke(get("/broken"))
    whole = emulator.invoke(get("/fill", f"size={LIMIT - around}"))
    too_large = emulator.invoke(get("/fill", f"size={LIMIT - around + 1}"))

    assert (unsupported.status, unsupported.error_type) == (200, "Function.UnsupportedEvent")
    assert (malformed.status, malformed.error_type) == (200, "Runtime.UnmarshalError")
    assert (broken.error_type, broken.payload) == (None, buffered(500, "Internal Server Error"))
    assert (len(whole.body), whole.error_type) == (LIMIT, None)
    assert (too_large.error_type, too_large.payload["statusCode"]) == (None, 500)


def test_init_that_fails_ends_the_environment_and_the_log_tells_why(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "absent:app"], ready=False)

    assert emulator.wait_for_exit() == 1
    emulator.wait_for_log('"errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}\n')


# Streams.


def test_streams_are_passed_on_verbatim_with_their_content_type_and_mode(share: Share) -> None:
    emulator = share("market:app", **STREAMS)

    status, headers, body = emulator.exchange(get("/stream", "end=whole"))
    nothing = emulator.invoke(get("/nothing"))
    emulator.wait_for_polls()
    met = emulator.invoke_many(get("/meet", f"parties={SLOTS}&name={number}") for number in range(SLOTS))

    parts = streamed(b"one and \0 two", 202, {"content-type": PLAIN_TEXT}, "basket=1; Path=/; SameSite=lax")
    assert (status, body) == (200, parts)
    assert headers["content-type"] == STREAM_TYPE
    assert headers["lambda-runtime-function-response-mode"] == "streaming"
    assert "error-type" not in headers
    assert nothing == (200, streamed(b"", 204, {"x-shelf": "empty"}), None, STREAM_TYPE)
    told = [json.loads(answer.body.partition(bytes(8))[2])["name"] for answer in met]
    assert told == [str(number) for number in range(SLOTS)]


def test_streams_that_fail_are_errors_and_cost_their_own_invocation_alone(share: Share) -> None:
    emulator = share("market:app", **STREAMS)
    for end, message in (
        ("fails", "the shelf is empty"),
        ("fails at length", "the shelf is " + "very " * 10_000 + "empty"),
    ):
        answer = emulator.invoke(get("/stream", f"end={end}"))
        document = answer.payload
        assert (answer.status, answer.error_type, document["errorType"]) == (200, "Function.ValueError", "ValueError")
        # Of a document that no trailer can carry it is the beginning of the message, and the innermost calls.
        assert message.startswith(document["errorMessage"])
        assert len(document["errorMessage"]) >= min(len(message), 100)
        assert document["stackTrace"][-1].startswith('  File "/var/task/market.py", line ')

    too_large = emulator.invoke(get("/fill", "size=7000000"))

    assert too_large.error_type == "Function.ResponseSizeTooLarge"
    emulator.wait_for_log("RequestEntityTooLarge")
    assert emulator.invoke(get("/nothing")).body == streamed(b"", 204, {"x-shelf": "empty"})


def test_stream_that_is_cut_with_its_process_is_never_taken_for_a_whole_one(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], **STREAMS)

    answer = emulator.invoke(get("/stream", "end=dies"))

    # The emulator sees the end of the connection and that of the process, in either order.
    assert (answer.status, answer.error_type in ("Runtime.TruncatedResponse", "Runtime.ExitError")) == (200, True)
    assert emulator.wait_for_exit() == 1


# Time.


def test_client_has_its_response_before_the_work_after_it_has_ended(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], max_concurrency=2)

    soon = emulator.invoke(get("/first", "line=go on"))

    emulator.wait_for_log("waiting for go on")
    assert emulator.journal() == ["startup"]
    assert (soon.error_type, soon.payload) == (None, buffered(200, "soon"))
    # Its slot is busy: there is room for one more, and not for two.
    emulator.wait_for_polls(1)
    with ThreadPoolExecutor() as threads:
        other = threads.submit(emulator.invoke, get("/late", "line=go on"))
        emulator.wait_until_busy()
        refused = emulator.invoke(get("/look"))
        append(tmp_path / "journal", "go on")
        assert (refused.error_type, other.result().error_type) == ("Runtime.Unavailable", None)
    emulator.wait_for_polls()
    assert emulator.journal() == ["startup", "go on", *["waited for go on"] * 2]
