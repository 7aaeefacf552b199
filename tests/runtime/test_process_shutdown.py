"""SIGTERM at every moment: some requests are answered, others cancelled; the application is shut down; exit 0."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.events import MakeEvent
from tests.runtime.applications import APP
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

# An application that holds requests up: until the test releases them, or without end.
BUSY = """
import asyncio, os

import bridge.runtime.invocations.serving

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        print("busy", flush=True)
        if scope["path"] == "/fifo":
            await asyncio.to_thread(lambda: open("fifo").read())
        else:
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"last"})
"""

# For tests that release the application after SIGTERM, however long that takes.
PATIENT = "bridge.runtime.invocations.serving.SHUTDOWN_GRACE = 30.0\n"

FUNCTION = """
import os

import bridge.runtime.invocations.serving

{async_}def handler(event, context):
    print("busy", flush=True)
    if event == "wait":
        open("fifo").read()
    return event
"""

IDLE = {
    "application": APP.replace("app(", "handler("),
    "async function": FUNCTION.format(async_="async "),
    "plain function": FUNCTION.format(async_=""),
}

with_concurrency = pytest.mark.parametrize("concurrency", ["1", "3"])


def let_go(runtime: Runtime) -> None:
    (runtime.folder / "fifo").write_text("")


def start(make: Runtimes, folder: Path, code: str, **environ: Any) -> Runtime:
    """In a folder with a pipe that the code may read, which holds it up."""
    task = folder / "task"
    task.mkdir()
    (task / "app.py").write_text(code)
    os.mkfifo(task / "fifo")
    return make(task, **({"_HANDLER": "app.handler"} | environ))


# Between two invocations.


@pytest.mark.parametrize("code", IDLE.values(), ids=IDLE)
@with_concurrency
def test_an_idle_process_ends(api: RuntimeDouble, fork_runtime: Runtimes, code: str, concurrency: str) -> None:
    runtime = fork_runtime(code, "app.handler", AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    api.wait_for_polls(int(concurrency))
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log == ("startup\nshutdown\n" if code is IDLE["application"] else "")
    api.wait_until_left()


# The wake-up is the application's, and a thread gets the signal, which does not end the main thread's wait then.
OWN_WAKE_UP = """
import signal, socket, threading

ends = socket.socketpair()
ends[0].setblocking(False)
signal.set_wakeup_fd(ends[0].fileno())

def terminate():
    open("fifo").read()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=terminate, daemon=True).start()
"""


@pytest.mark.parametrize("code", IDLE.values(), ids=IDLE)
def test_an_idle_process_ends_where_signals_wake_something_of_the_applications(
    api: RuntimeDouble, fork_runtime: Runtimes, code: str, tmp_path: Path
) -> None:
    runtime = start(fork_runtime, tmp_path, code + OWN_WAKE_UP)
    api.wait_for_polls(1)
    let_go(runtime)
    assert runtime.wait() == 0


# During an invocation.


@with_concurrency
def test_a_request_that_is_going_on_is_answered_then_the_application_is_shut_down(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, concurrency: str
) -> None:
    runtime = start(fork_runtime, tmp_path, BUSY + PATIENT, _HANDLER="app.app", AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    invocation = api.invoke(make_event(path="/fifo"))
    runtime.wait_for_log("busy")
    runtime.terminate()
    let_go(runtime)
    assert invocation.answer().json["body"] == "last"
    assert runtime.wait() == 0
    assert runtime.log == "busy\nshutdown\n"
    api.wait_until_left()


def test_nothing_new_is_asked_for_meanwhile(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path
) -> None:
    runtime = start(fork_runtime, tmp_path, BUSY + PATIENT, _HANDLER="app.app", AWS_LAMBDA_MAX_CONCURRENCY="2")
    api.wait_for_polls(2)
    invocation = api.invoke(make_event(path="/fifo"))
    runtime.wait_for_log("busy")
    polls = sum(request.path.endswith("/next") for request in api.requests)
    runtime.terminate()
    # The idle slot has left when its connection is closed: those of the busy one and of the extension are open.
    api.wait_for_connections(2)
    let_go(runtime)
    invocation.answer()
    assert runtime.wait() == 0
    assert sum(request.path.endswith("/next") for request in api.requests) == polls


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_a_request_that_goes_on_too_long_is_cancelled_then_the_application_is_shut_down(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, path: str
) -> None:
    runtime = fork_runtime(BUSY, "app:app", AWS_LWA_INVOKE_MODE="response_stream")
    invocation = api.invoke(make_event(path=path), may_stay_unanswered=True)
    if path == "/stream":
        invocation.wait_for(lambda body: body.endswith(b"first"))
    runtime.wait_for_log("busy")
    runtime.terminate()
    assert runtime.wait() == 0
    busy, *rest, shutdown = runtime.log.splitlines()
    assert (busy, shutdown) == ("busy", "shutdown")
    assert "cancelled" in rest
    assert "1 invocations had no answer" in runtime.log
    if path == "/stream":
        assert not invocation.answer().is_whole  # or its reader would believe that there is no more
    api.wait_until_left()


@pytest.mark.parametrize("async_", ["", "async "], ids=["plain", "async"])
@with_concurrency
def test_a_function_that_is_going_on_is_answered(
    api: RuntimeDouble, fork_runtime: Runtimes, tmp_path: Path, async_: str, concurrency: str
) -> None:
    """An async function that blocks, as this one does, holds up the event loop, and with it SIGTERM."""
    code = FUNCTION.format(async_=async_) + PATIENT
    runtime = start(fork_runtime, tmp_path, code, AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    invocation = api.invoke("wait")
    runtime.wait_for_log("busy")
    runtime.terminate()
    let_go(runtime)
    assert invocation.answer().json == "wait"
    assert runtime.wait() == 0
    assert runtime.log == "busy\n"


# Twice.

TWICE = """
import asyncio, os, signal

def again(where):
    print(where, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        again("shutdown")
        await asyncio.sleep(0)
        again("shutdown goes on")
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        print("busy", flush=True)
        await asyncio.Event().wait()
    finally:
        again("cancelled")
"""


def test_further_signals_cut_nothing_short(api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent) -> None:
    runtime = fork_runtime(TWICE, "app:app")
    api.invoke(make_event(), may_stay_unanswered=True)
    runtime.wait_for_log("busy")
    runtime.terminate()
    runtime.terminate()
    assert runtime.wait() == 0
    lines = [line for line in runtime.log.splitlines() if not line.startswith("[")]
    assert lines == ["busy", "cancelled", "shutdown", "shutdown goes on"]


# In the init phase.


STARTUP = """
import asyncio, signal, threading

async def app(scope, receive, send):
    await receive()
    try:
        print("starting", flush=True)
        MISSED
        await asyncio.Event().wait()
    finally:
        print("cancelled", flush=True)
"""

# As one that comes just before the main thread's wait, a signal that another thread gets does not end that wait.
MISSED = "threading.Timer(0.1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()"


@pytest.mark.parametrize("is_missed", [False, True], ids=["", "signal does not end the wait"])
def test_a_startup_that_is_going_on_is_cancelled_and_is_no_error(
    api: RuntimeDouble, fork_runtime: Runtimes, is_missed: bool
) -> None:
    runtime = fork_runtime(STARTUP.replace("MISSED", MISSED if is_missed else ""), "app:app")
    runtime.wait_for_log("starting")
    if not is_missed:
        runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log == "starting\ncancelled\n"
    assert [request.path for request in api.requests if "extension" not in request.path] == []


def test_a_web_server_that_is_not_ready_yet_is_ended(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = "import signal\nprint('starting', flush=True)\nsignal.pause()"
    runtime = fork_runtime(code, "--proxy", "--", "python3", "app.py")
    runtime.wait_for_log("starting")
    runtime.terminate()
    assert runtime.wait() == 0  # with nothing left that holds its output
    # Python may print that it has ignored the exit, which came in the middle of an import.
    assert runtime.log.startswith("starting\n")


def test_a_shutdown_that_fails_is_logged(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = APP.replace('print("shutdown", flush=True)', "raise ConnectionError('no database')")
    runtime = fork_runtime(code, "app:app")
    api.wait_for_polls(1)
    runtime.terminate()
    assert runtime.wait() == 0
    assert "[ERROR]" in runtime.log
    assert "ConnectionError: no database" in runtime.log


def test_what_the_interpreter_does_at_its_end_is_done(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    code = """
import atexit, sys
from concurrent.futures import ThreadPoolExecutor

atexit.register(print, "atexit")
threads = ThreadPoolExecutor(1)
threads.submit(int).result()

def handler(event, context):
    sys.stdout.write("half a line")
"""
    runtime = fork_runtime(code, "app.handler")
    api.invoke(1).answer()
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log == "half a lineatexit\n"
