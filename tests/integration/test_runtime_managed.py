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
from tests.integration.emulated import PLAIN_TEXT, STREAMS, request, streamed
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


# Streams.


def test_streams_are_passed_on_verbatim_with_their_content_type_and_mode(share: Share) -> None:
    emulator = share("market:app", **STREAMS)

    status, headers, body = emulator.exchange(get("/stream", "end=whole"))
    failed = emulator.invoke(get("/stream", "end=fails"))
    nothing = emulator.invoke(get("/nothing"))
    emulator.wait_for_polls()
    met = emulator.invoke_many(get("/meet", f"parties={SLOTS}&name={number}") for number in range(SLOTS))

    parts = streamed(b"one and \0 two", 202, {"content-type": PLAIN_TEXT}, "basket=1; Path=/; SameSite=lax")
    assert (status, body) == (200, parts)
    assert headers["content-type"] == STREAM_TYPE
    assert headers["lambda-runtime-function-response-mode"] == "streaming"
    assert "error-type" not in headers
    assert (failed.status, failed.error_type) == (200, "Function.ValueError")
    assert (failed.payload["errorType"], failed.payload["errorMessage"]) == ("ValueError", "the shelf is empty")
    assert nothing == (200, streamed(b"", 204, {"x-shelf": "empty"}), None, STREAM_TYPE)
    told = [json.loads(answer.body.partition(bytes(8))[2])["name"] for answer in met]
    assert told == [str(number) for number in range(SLOTS)]


def test_stream_that_is_cut_with_its_process_is_never_taken_for_a_whole_one(start_managed: StartManaged) -> None:
    emulator = start_managed([*RUNTIME, "market:app"], **STREAMS)

    answer = emulator.invoke(get("/stream", "end=dies"))

    # The emulator sees the end of the connection and that of the process, in either order.
    assert (answer.status, answer.error_type in ("Runtime.TruncatedResponse", "Runtime.ExitError")) == (200, True)
    assert emulator.wait_for_exit() == 1
