"""A WSGI application under the runtime: its thread, its streams, its end, and several invocations concurrently."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.events import MakeEvent
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

# The application waits for the test by opening a pipe.
APP = """
import asyncio, sqlite3, threading
import bridge.runtime.invocations.serving

bridge.runtime.invocations.serving.SHUTDOWN_GRACE = 30.0
connection = sqlite3.connect(":memory:")  # of the thread that imports the module
barrier = threading.Barrier(3)

class Body(list):
    def close(self):
        open("fifo").read()
        print("closed", flush=True)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/sqlite":
        asyncio.run(asyncio.sleep(0))  # no event loop runs in this thread
        return [str(connection.execute("SELECT 1 + 1").fetchone()[0]).encode()]
    if path == "/together":
        barrier.wait(30)
        return [repr(environ["wsgi.multithread"]).encode()]
    if path == "/close":
        return Body([b"early"])
    if path == "/stream":
        return stream()
    if path == "/endless":
        return endless()
    print("busy", flush=True)
    open("fifo").read()
    print("done", flush=True)
    return [b"last"]

def endless():
    try:
        while True:
            yield bytes(1000)
    finally:
        print("ended", flush=True)

def stream():
    try:
        yield b"first"
        open("fifo").read()
        yield b"last"
    finally:
        print("ended", flush=True)
"""


def start(make: Runtimes, folder: Path, **environ: Any) -> Runtime:
    task = folder / "task"
    task.mkdir()
    (task / "app.py").write_text(APP)
    os.mkfifo(task / "fifo")
    return make(task, "app:app", **environ)


def let_go(runtime: Runtime) -> None:
    (runtime.folder / "fifo").write_text("")


def test_it_runs_in_the_thread_that_imported_it(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path
) -> None:
    runtime = start(fork_runtime, tmp_path)
    for _ in range(2):
        assert api.invoke(make_event(path="/sqlite")).answer().json["body"] == "2"
    runtime.terminate()
    assert (runtime.wait(), runtime.log) == (0, "")


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_a_part_is_at_lambda_before_the_next_is_made(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, concurrency: str
) -> None:
    runtime = start(
        fork_runtime, tmp_path, AWS_LWA_INVOKE_MODE="response_stream", AWS_LAMBDA_MAX_CONCURRENCY=concurrency
    )
    invocation = api.invoke(make_event(path="/stream"))
    invocation.wait_for(lambda body: body.endswith(b"first"))
    let_go(runtime)
    answer = invocation.answer()
    assert (answer.is_streamed, answer.is_whole, answer.payload) == (True, True, b"firstlast")
    runtime.wait_for_log("ended")
    runtime.terminate()
    assert runtime.wait() == 0


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_a_client_that_goes_away_ends_the_response(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, concurrency: str
) -> None:
    runtime = start(
        fork_runtime, tmp_path, AWS_LWA_INVOKE_MODE="response_stream", AWS_LAMBDA_MAX_CONCURRENCY=concurrency
    )
    invocation = api.invoke(make_event(path="/endless"))
    invocation.wait_for(100_000)
    invocation.hang_up()
    runtime.wait_for_log("ended")
    api.wait_for_polls(int(concurrency))


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_the_answer_is_at_lambda_before_close_has_run(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, concurrency: str
) -> None:
    runtime = start(fork_runtime, tmp_path, AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    assert api.invoke(make_event(path="/close")).answer().json["body"] == "early"
    let_go(runtime)
    runtime.wait_for_log("closed")
    runtime.terminate()
    assert runtime.wait() == 0


def test_several_invocations_run_concurrently_in_threads(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path
) -> None:
    start(fork_runtime, tmp_path, AWS_LAMBDA_MAX_CONCURRENCY="3")
    invocations = [api.invoke(make_event(path="/together")) for _ in range(3)]
    assert [each.answer().json["body"] for each in invocations] == ["True"] * 3


@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_a_request_that_is_going_on_is_answered_after_sigterm(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, concurrency: str
) -> None:
    runtime = start(fork_runtime, tmp_path, AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    invocation = api.invoke(make_event())
    runtime.wait_for_log("busy")
    runtime.terminate()
    let_go(runtime)
    assert invocation.answer().json["body"] == "last"
    assert (runtime.wait(), runtime.log) == (0, "busy\ndone\n")
