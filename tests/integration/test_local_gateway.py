"""The local gateway with real processes: what its clients get, and what its records say."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from bridge.local.clock import find_library
from bridge.local.settings import SourceSettings
from bridge.testing.services import ServiceName
from tests.integration.gateway import RunningGateway

RUNTIMES = ["bridge", "awslambdaric"]
STREAMED = SourceSettings(name="function-url", is_streamed=True)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_several_sources_have_one_function_which_stays_warm(runtime: Any) -> None:
    with RunningGateway("local_site:handler", "function-url", "alb", "rest-api", runtime=runtime) as local:
        answers = [local.get(f"/{source}", source) for source in range(3)]
        first, second = local.record(2), local.record(1)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.text for answer in answers}) == 1  # of one process
    assert [(each.source, each.path, each.started) for each in (first, second)] == [
        ("function-url", "/0", "cold"),
        ("alb", "/1", "warm"),
    ]
    assert [line.text for line in first.logs][-1] == "serving /0"
    assert [line.text for line in second.logs] == ["serving /1"]
    moments = ["assigned", "init_start", "init_end", "start", "first_byte", "end", "idle"]
    times = [getattr(first.timeline, name) for name in moments]
    assert times == sorted(times)
    assert second.timeline.init_start is None


def test_a_stream_arrives_while_it_is_sent(gate: Path) -> None:
    with (
        RunningGateway("local_site:app", STREAMED, is_streamed=True, environ={"GATE": str(gate)}) as local,
        local.client.stream("GET", local.url("/parts")) as response,
    ):
        parts = response.iter_raw()
        first = next(parts)
        record = next(iter(local.gateway.history))
        status = record.status
        gate.touch()
        rest = b"".join(parts)
    assert (response.status_code, first, status) == (200, b"first,", "responding")
    assert rest.startswith(b"pid ")
    assert bytes(record.result).endswith(first + rest)
    assert len(record.timeline.parts) > 1


def test_a_stream_that_breaks_ends_early_and_its_record_says_why() -> None:
    with RunningGateway("local_site:app", STREAMED, is_streamed=True) as local:
        answer = local.get("/breaks")
        record = local.record()
    assert (answer.status_code, answer.content) == (200, b"first,")
    assert record.failure is not None
    assert "broken on purpose" in record.failure.message


def test_work_after_the_response_delays_only_the_next_invocation(gate: Path) -> None:
    with RunningGateway("local_site:app", environ={"GATE": str(gate)}) as local:
        answer = local.get("/background")
        status = next(iter(local.gateway.history)).status
        gate.touch()
        record = local.record()
    assert (answer.status_code, status) == (200, "responded")
    assert [line.text for line in record.logs][-1] == "worked on"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_crash_is_the_services_502_with_the_last_lines_and_the_next_request_gets_a_new_process(runtime: Any) -> None:
    with RunningGateway("local_site:handler", "function-url", "rest-api", runtime=runtime) as local:
        before = local.get("/").text
        answer = local.get("/exit", 1)
        after = local.get("/")
        crashed = local.record(1)
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})
    assert crashed.failure is not None
    assert (crashed.failure.error_type, "exit status 3" in crashed.failure.message) == ("Runtime.ExitError", True)
    assert "last words" in [line.text for line in crashed.logs]
    assert (after.status_code, after.text != before) == (200, True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_crash_in_the_init_phase_is_a_502_each_time(runtime: Any) -> None:
    with RunningGateway("broken_init:app", runtime=runtime) as local:
        statuses = [local.get("/").status_code for _ in range(2)]
        record = local.record()
    assert statuses == [502, 502]
    assert record.failure is not None
    assert "no database" in record.failure.message
    assert "about to fail" in [line.text for line in record.logs]
    assert record.started == "cold"


def test_a_timeout_ends_the_process_and_the_next_invocation_gets_another_one() -> None:
    with RunningGateway("local_site:plain", runtime="awslambdaric", timeout=1.0) as local:
        late = local.run(local.gateway.invoke(b'{"sleep": 60}'))
        next_one = local.run(local.gateway.invoke(b"{}"))
        local.record(1)
    assert late.failure is not None
    assert (late.failure.error_type, "timed out after 1.00 seconds" in late.failure.message) == (
        "Sandbox.Timedout",
        True,
    )
    assert "sleeping" in [line.text for line in late.logs]
    assert (next_one.started, next_one.environment) == ("cold", 2)


def test_memory_past_the_limit_ends_the_process() -> None:
    with RunningGateway("local_site:app", memory=256) as local:
        answer = local.get("/memory")
        record = local.record()
    assert answer.status_code == 502
    assert record.failure is not None
    assert record.failure.error_type == "Runtime.OutOfMemory"


def test_a_result_past_six_megabytes_is_an_error_and_the_process_goes_on() -> None:
    with RunningGateway("local_site:plain") as local:
        too_large = local.run(local.gateway.invoke(b'{"size": 7000000}'))
        next_one = local.run(local.gateway.invoke(b"{}"))
    assert too_large.failure is not None
    assert too_large.failure.error_type == "Function.ResponseSizeTooLarge"
    assert (next_one.failure, next_one.started) == (None, "warm")


def test_requests_wait_for_the_only_environment(gate: Path, in_thread: Callable[..., "Future[Any]"]) -> None:
    with RunningGateway("local_site:app", environments=1, environ={"GATE": str(gate)}) as local:
        answers = [in_thread(local.get, path) for path in ("/gate", "/gate")]
        local.wait_for(lambda: len(local.gateway.history) == 2)
        statuses = {each.status for each in local.gateway.history}
        gate.touch()
        texts = {answer.result().text for answer in answers}
    assert "queued" in statuses
    assert len(texts) == 1


def test_without_patience_a_busy_function_is_a_429(gate: Path, in_thread: Callable[..., "Future[Any]"]) -> None:
    with RunningGateway("local_site:app", environments=1, throttles=True, environ={"GATE": str(gate)}) as local:
        first = in_thread(local.get, "/gate")
        local.wait_for(lambda: len(local.gateway.history) == 1)
        second = local.get("/")
        gate.touch()
        assert first.result().status_code == 200
    assert (second.status_code, second.json()) == (429, {"Message": "Rate Exceeded."})


@pytest.mark.parametrize("options", [{"environments": 3}, {"concurrency": 3}])
def test_requests_run_at_the_same_time(options: Any, gate: Path, in_thread: Callable[..., "Future[Any]"]) -> None:
    with RunningGateway("local_site:app", environ={"GATE": str(gate)}, **options) as local:
        paths = ["/gate"] * 3 if "environments" in options else ["/three_together"] * 3
        answers = [in_thread(local.get, path) for path in paths]
        local.wait_for(lambda: sum(each.status in ("running", "done") for each in local.gateway.history) == 3)
        gate.touch()
        texts = {answer.result().text for answer in answers}
    assert len(texts) == (3 if "environments" in options else 1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_frozen_process_is_stopped_until_the_next_request(runtime: Any) -> None:
    with RunningGateway("local_site:handler", freezes=True, runtime=runtime) as local:
        texts = []
        for _ in range(2):
            texts.append(local.get("/").text)
            local.wait_for(lambda: [each.state for each in local.gateway.environments] == ["frozen"])
            pid = local.gateway.environments[0].pid
            local.wait_for(lambda pid=pid: _state(pid) == "T")  # type: ignore[misc]
    assert len(set(texts)) == 1


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_hooks_run_before_the_snapshot_and_after_the_restore_and_then_the_request(runtime: Any) -> None:
    with RunningGateway("local_site:handler", snapstart=True, runtime=runtime) as local:
        local.wait_for(lambda: [each.state for each in local.gateway.environments] == ["snapshot"])
        environment = local.gateway.environments[0]
        local.wait_for(lambda: _state(environment.pid or 0) == "T")
        at_snapshot = environment.log[:]
        answer = local.get("/")
        record = local.record()
        second = (local.get("/"), local.record())[1]
    assert answer.status_code == 200
    assert at_snapshot[-1:] == ["before the snapshot"]
    assert [line.text for line in record.logs] == ["before the snapshot", "after the restore", "serving /"]
    assert (record.started, second.started) == ("restored", "warm")
    timeline = record.timeline
    assert timeline.init_end is not None
    assert timeline.restore_start is not None
    assert timeline.restore_end is not None
    assert timeline.init_end <= 0 <= timeline.restore_start <= timeline.restore_end


def test_an_old_snapshot_has_a_wall_clock_that_is_ahead() -> None:
    """With libfaketime it is ahead of the monotonic one; without, the process really waits."""
    with RunningGateway("local_site:plain", snapstart=True, snapstart_age=2.0) as local:
        local.wait_for(lambda: [each.state for each in local.gateway.environments] == ["snapshot"])
        record = local.run(local.gateway.invoke(b"{}"))
    timeline = record.timeline
    assert timeline.restore_start is not None
    seen = json.loads(record.result)["wall"] - record.received
    assert seen >= 2.0 - 0.1


@pytest.mark.skipif(find_library() is None, reason="libfaketime is not installed")
def test_with_libfaketime_a_day_passes_on_the_wall_clock_alone() -> None:
    day = 86_400.0
    with RunningGateway("local_site:plain", snapstart=True, snapstart_age=day) as local:
        local.wait_for(lambda: [each.state for each in local.gateway.environments] == ["snapshot"])
        before = time.monotonic()
        record = local.run(local.gateway.invoke(b"{}"))
        after = time.monotonic()
    seen = json.loads(record.result)
    assert seen["wall"] - record.received >= day - 0.1
    assert before <= seen["monotonic"] <= after


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_end_of_the_gateway_ends_the_processes(runtime: Any) -> None:
    with RunningGateway("local_site:handler", runtime=runtime) as local:
        local.get("/")
        (environment,) = local.gateway.environments
        pid = environment.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    # Only an extension makes Lambda send SIGTERM, and only bridge's own runtime registers one.
    assert ("shutdown lifespan.shutdown" in environment.log) == (runtime == "bridge")


def test_a_changed_file_starts_a_new_environment_and_no_request_is_dropped(
    tmp_path: Path, in_thread: Callable[..., "Future[Any]"]
) -> None:
    module = tmp_path / "changing.py"
    code = "def handler(event, context):\n    return {{'statusCode': 200, 'body': '{}'}}\n"
    module.write_text(code.format("old"))
    with RunningGateway("changing:handler", folder=tmp_path, reloads=True) as local:
        bodies: list[str] = []
        statuses: set[int] = set()

        def ask_until_new() -> None:
            while not bodies or bodies[-1] != "new":
                answer = local.get("/")
                bodies.append(answer.text)
                statuses.add(answer.status_code)

        asking = in_thread(ask_until_new)
        local.wait_for(lambda: len(bodies) > 5)

        def has_reloaded() -> bool:  # the watcher may not listen yet
            module.write_text(code.format("new"))
            return local.reloads > 0

        local.wait_for(has_reloaded)
        asking.result(30)
    assert statuses == {200}
    assert {*bodies} == {"old", "new"}


def test_names_of_headers_are_as_the_client_sent_them_where_the_service_leaves_them() -> None:
    """A REST API and payload format 1.0 do (measured). Two requests on one connection have their own names."""
    sources: list[ServiceName] = ["rest-api", "http-api-v1", "function-url", "alb"]
    with RunningGateway("local_site:handler", *sources) as local:
        names: dict[str, list[list[str]]] = {}
        for number, source in enumerate(sources):
            for sent in ("X-My-Name", "x-OTHER"):
                local.client.get(local.url("/", number), headers={sent: "1"})
                event = json.loads(local.record().event)
                found = [name for name in event["headers"] if name.lower() in ("x-my-name", "x-other")]
                names.setdefault(source, []).append(found)
    as_sent, lower = [["X-My-Name"], ["x-OTHER"]], [["x-my-name"], ["x-other"]]
    assert names == {"rest-api": as_sent, "http-api-v1": as_sent, "function-url": lower, "alb": lower}


def test_the_inspectors_buttons(gate: Path) -> None:
    with RunningGateway("local_site:app", "function-url") as local:
        gateway = local.gateway
        local.get("/a?b=c")
        first = local.record()
        again = local.run(gateway.replay(first.id))
        other = local.run(gateway.replay(first.id, source="alb"))
        local.record()
        local.run(gateway.freeze())
        states = [each.state for each in gateway.environments]
        local.run(gateway.cold_start())
        cold = local.run(gateway.replay(first.id))
        with pytest.raises(KeyError):
            local.run(gateway.replay("nothing"))
        with pytest.raises(ValueError, match="--snapstart"):
            local.run(gateway.restore())
    assert again is not None
    assert other is not None
    assert cold is not None
    assert (again.replay_of, again.path, again.started) == (first.id, "/a?b=c", "warm")
    assert (other.source, "elb" in json.loads(other.event)["requestContext"]) == ("alb", True)
    assert states == ["frozen"]
    assert cold.started == "cold"
