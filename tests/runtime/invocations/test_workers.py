"""BRIDGE_WORKERS: each process starts the application and answers, and all of them end together."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from bridge.runtime.invocations.workers import shares
from tests.events import MakeEvent
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import LIMIT, Runtime, Runtimes

# Answers with the process that answers; says which process does what.
APP = """
import asyncio, gc, json, os
import bridge.runtime.invocations.workers

def say(what):
    print(what, os.getpid(), flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["pid"] = os.getpid()
        say("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/busy":
        say("busy")
        await asyncio.Event().wait()
    if scope["path"] == "/exit":
        code = int(scope["query_string"])
        os._exit(code) if code >= 0 else os.kill(os.getpid(), -code)
    assert scope["state"]["pid"] == os.getpid()
    body = json.dumps([os.getpid(), os.getppid(), gc.get_freeze_count() > 1000]).encode()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})

say("import")
"""


def test_every_worker_has_a_share_of_the_slots_and_at_least_one() -> None:
    expected = {(1, 4): [1], (4, 1): [4], (5, 2): [3, 2], (16, 3): [6, 5, 5], (3, 16): [1, 1, 1]}
    assert {key: shares(*key) for key in expected} == expected


def start(make: Runtimes, code: str = APP, *, slots: int = 4, workers: int = 2, **environ: Any) -> Runtime:
    environ = {"_HANDLER": "app.app"} | environ
    return make(code, AWS_LAMBDA_MAX_CONCURRENCY=str(slots), BRIDGE_WORKERS=str(workers), **environ)


def said(runtime: Runtime, what: str, *, lines: int = 0) -> list[int]:
    """Return the processes that have said so, once the log has so many lines."""
    return [int(line.split()[1]) for line in runtime.wait_for_lines(lines) if line.startswith(f"{what} ")]


def test_each_worker_starts_the_application_and_answers_in_its_slots(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = start(fork_runtime)
    api.wait_for_polls(4)
    assert said(runtime, "import", lines=3) == [runtime.pid]
    workers = said(runtime, "startup")
    assert len(set(workers)) == 2
    assert runtime.pid not in workers
    # The oldest poll gets the next event, and each answers before it polls again: so each slot is asked once.
    answers = [api.invoke(make_event()) for _ in range(4)]
    bodies = sorted(json.loads(invocation.answer().json["body"]) for invocation in answers)
    assert bodies == sorted([pid, runtime.pid, True] for pid in workers * 2)
    runtime.terminate()
    assert runtime.wait() == 0
    assert sorted(said(runtime, "shutdown")) == sorted(workers)
    assert len(runtime.log.splitlines()) == 5
    api.wait_until_left()


def test_a_single_slot_needs_no_other_process(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = start(fork_runtime, slots=1, workers=8)
    assert api.invoke(make_event()).answer().json["body"].startswith(f"[{runtime.pid}, ")


@pytest.mark.parametrize("async_", ["", "async "], ids=["plain", "async"])
def test_a_function_is_answered_by_workers_too(api: RuntimeDouble, fork_runtime: Runtimes, async_: str) -> None:
    runtime = start(fork_runtime, f"import os\n{async_}def app(event, context): return os.getppid()")
    api.wait_for_polls(4)
    assert [api.invoke(1).answer().json for _ in range(4)] == [runtime.pid] * 4
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log == ""


def test_each_worker_answers_what_is_going_on_and_a_second_signal_changes_nothing(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    runtime = start(fork_runtime, slots=2)
    invocations = [api.invoke(make_event(path="/busy"), may_stay_unanswered=True) for _ in range(2)]
    runtime.wait_for_lines(5)  # an import, two startups, and both are busy
    runtime.terminate()
    runtime.terminate()
    assert runtime.wait() == 0
    assert len(invocations) == len(said(runtime, "busy")) == len(said(runtime, "shutdown"))


# One that ends.


@pytest.mark.parametrize("code", [0, 7, -signal.SIGKILL])
def test_a_worker_that_ends_takes_the_others_with_it(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, code: int
) -> None:
    runtime = start(fork_runtime)
    api.wait_for_polls(4)
    api.invoke(make_event(path="/exit", rawQueryString=str(code)), may_stay_unanswered=True)
    assert runtime.wait() == 1
    assert len(said(runtime, "shutdown")) == 1
    assert f"exit code {code}" in runtime.log
    api.wait_until_left()


def test_a_worker_that_will_not_end_is_killed(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    stubborn = "bridge.runtime.invocations.workers.STOP_LIMIT = 0.1\nfrom bridge.environment import Environment\n"
    stubborn += "import signal\nsignal.signal(signal.SIGTERM, lambda *args: say('no'))\n"
    runtime = start(fork_runtime, APP + stubborn, slots=2)
    api.wait_for_polls(2)
    api.invoke(make_event(path="/exit", rawQueryString="7"), may_stay_unanswered=True)
    assert runtime.wait() == 1
    assert "exit code 7" in runtime.log
    assert "exit code -9" in runtime.log
    api.wait_until_left()


def test_an_api_that_is_gone_ends_all(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = start(fork_runtime)
    api.wait_for_polls(4)
    api.stop()
    assert runtime.wait() == 1
    assert len(said(runtime, "shutdown")) == 2
    assert "The Runtime API is gone: " in runtime.log


def test_a_child_of_the_functions_own_is_no_worker(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    """It ends while the workers work, and the code that has started it learns its exit code."""
    code = """
import subprocess, threading
os.mkfifo("fifo")
child = subprocess.Popen(["sh", "-c", "read line < fifo; exit 3"])
threading.Thread(target=lambda: say(f"status={child.wait()}"), daemon=True).start()
"""
    runtime = start(fork_runtime, APP + code, slots=2)
    api.wait_for_polls(2)
    (runtime.folder / "fifo").write_text("")
    runtime.wait_for_log("status=3")
    assert api.invoke(make_event()).answer().status == 202
    runtime.terminate()
    assert runtime.wait() == 0


# What fails.


def test_startups_that_fail_are_reported_once_and_logged_each(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = APP.replace('say("startup")', "raise ConnectionError('no database')")
    runtime = start(fork_runtime, code)
    report = api.init_error()
    assert runtime.wait() == 1
    assert report.headers["lambda-runtime-function-error-type"] == "Function.StartupFailed"
    assert "ConnectionError: no database" in report.document["errorMessage"]
    assert "could not be reported" not in runtime.log
    # The double objects to the second report, which Lambda may see: neither process knows of the other.
    assert all(violation.endswith("init/error: the init phase is over") for violation in api.take_violations())


def test_a_web_server_has_processes_of_its_own(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    limits: dict[str, Any] = {"AWS_LAMBDA_MAX_CONCURRENCY": "4", "BRIDGE_WORKERS": "2"}
    runtime = fork_runtime("", "--proxy", "--", "python3", "app.py", **limits)
    message = api.init_error().document["errorMessage"]
    assert "BRIDGE_WORKERS is 2" in message
    assert "expected 1" in message
    assert runtime.wait() == 1  # and no server is left that would hold its output


# Signals at other moments.


def test_sigterm_during_the_startups_cancels_them_and_is_no_error(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = APP.replace('say("startup")', 'say("starting")\n        await asyncio.Event().wait()')
    runtime = start(fork_runtime, code, workers=3)
    assert len(said(runtime, "starting", lines=4)) == 3
    runtime.terminate()
    assert runtime.wait() == 0
    assert [request.path for request in api.requests if "extension" not in request.path] == []


def test_sigterm_while_workers_are_forked_ends_all_of_them(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = """
import os, signal, threading

def app(event, context):
    return event

forked = iter([False, True])
os.register_at_fork(after_in_parent=lambda: next(forked, False) and os.kill(os.getpid(), signal.SIGTERM))
"""
    runtime = start(fork_runtime, code, slots=3, workers=3)
    assert runtime.wait() == 0
    assert runtime.log == ""
    api.wait_until_left()


@pytest.mark.parametrize("end", ["raise SystemExit(5)", "say('told')"], ids=["exit", "note"])
def test_a_signal_handler_of_the_applications_own_is_called_in_every_process(
    api: RuntimeDouble, fork_runtime: Runtimes, end: str
) -> None:
    own = f"""
import signal
bridge.runtime.invocations.workers.STOP_LIMIT = 0.3
def own(*args):
    say("own")
    {end}
signal.signal(signal.SIGTERM, own)
"""
    runtime = start(fork_runtime, APP + own, slots=2)
    api.wait_for_polls(2)
    runtime.terminate()
    code = runtime.wait()
    assert sorted(set(said(runtime, "own"))) == sorted([runtime.pid, *said(runtime, "startup")])
    if "SystemExit" in end:
        assert code == 5
        assert sorted(said(runtime, "shutdown")) == sorted(said(runtime, "startup"))
    else:
        assert code == 1  # they did not end, and were killed


# What the import has left in the parent.


def test_a_handler_that_was_called_by_the_import_is_started_again_in_each_worker(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    code = f"{APP}\nfrom bridge import Bridge\napp = Bridge(app)\napp({make_event()!r}, None)\nsay('warm')"
    runtime = start(fork_runtime, code, slots=2)
    api.wait_for_polls(2)
    assert said(runtime, "warm", lines=5) == [runtime.pid]
    parent, *workers = said(runtime, "startup")
    assert (parent, len(set(workers))) == (runtime.pid, 2)
    pids = {json.loads(api.invoke(make_event()).answer().json["body"])[0] for _ in range(2)}
    assert pids == set(workers)
    runtime.terminate()
    assert runtime.wait() == 0
    assert sorted(said(runtime, "shutdown")) == sorted([parent, *workers])


@pytest.mark.parametrize("api_options", [{"snapstart": True}])
def test_around_a_snapshot_nothing_is_started_in_the_parent(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    code = f"{APP}\nfrom bridge import Bridge\napp = Bridge(app, snapshot='restart-lifespan')"
    runtime = start(fork_runtime, code, slots=2, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    api.restore()
    api.wait_for_polls(2)
    assert runtime.pid not in said(runtime, "startup", lines=3)
    assert said(runtime, "shutdown") == []


# The log.


def test_each_worker_writes_its_log_to_the_socket_for_it(
    api: RuntimeDouble, fork_runtime: Runtimes, tmp_path: Path
) -> None:
    code = """
import logging, os, sys

def app(event, context):
    print("out", os.getpid(), flush=True)
    print("err", os.getpid(), file=sys.stderr, flush=True)
    logging.error("logged %s", os.getpid())
    return os.getpid()

print("import", flush=True)
"""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.listen()
        listener.settimeout(LIMIT)
        runtime = start(fork_runtime, code, slots=2, _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET=str(tmp_path / "log"))
        streams = [listener.accept()[0] for _ in range(4)]
        api.wait_for_polls(2)
        pids = {api.invoke(1).answer().json for _ in range(2)}
        assert len(pids) == 2
        runtime.terminate()
        assert runtime.wait() == 0
    assert runtime.log == "import\n"
    texts = []
    for stream in streams:
        with stream:
            texts.append(stream.makefile().read())
    for pid in pids:
        assert sum(f"out {pid}\n" in text and f"logged {pid}\n" in text for text in texts) == 1
        assert sum(text == f"err {pid}\n" for text in texts) == 1


def test_without_that_socket_the_log_goes_where_that_of_the_parent_goes(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path
) -> None:
    path = str(tmp_path / "missing")
    runtime = start(fork_runtime, slots=2, _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET=path)
    assert api.invoke(make_event()).answer().status == 202
    api.wait_for_polls(2)
    warnings = [line for line in runtime.wait_for_lines(5) if line.startswith("[WARNING]")]
    assert len(warnings) == 2
    for warning in warnings:
        assert f"{path}: [Errno 2]" in warning
