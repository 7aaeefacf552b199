"""What differs in Lambda: startup belongs to the import, and SIGTERM to the shutdown. Each in a process of its own."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

# Whether a process is in Lambda is told by this variable; nothing connects to what it names.
LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}

APP = """
import asyncio, sys, threading, time
from bridge import Bridge

def say(*words):
    print(*words, flush=True)

EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "requestContext": {"domainName": "a.lambda-url.eu-west-1.on.aws", "http": {"method": "GET", "path": "/"}},
}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        say("startup")
        loops = [asyncio.get_running_loop()]
        scope["state"]["loops"] = loops
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say("shutdown", asyncio.get_running_loop() is loops[0])
        await send({"type": "lifespan.shutdown.complete"})
        return
    say("request", asyncio.get_running_loop() is scope["state"]["loops"][0])
    if "--wait" in sys.argv:
        try:
            say("waiting")
            while True:  # A signal that comes just before select() blocks is only seen when it returns.
                await asyncio.sleep(0.01)
        finally:
            say("request ended")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

FAILING = """
from bridge import Bridge

def connect():
    raise ValueError("no database")

async def app(scope, receive, send):
    await receive()
    connect()

handler = Bridge(app)
print("imported")
"""

# As the runtime does, once with the main thread asleep between two invocations.
IDLE = "\nhandler = Bridge(app)\nhandler(EVENT, None)\nsay('ready')\nwhile True: time.sleep(0.01)\n"
BUSY = "\nhandler = Bridge(app)\nsys.argv.append('--wait')\nhandler(EVENT, None)\nsay('never')\n"


def lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != last:
        line = process.stdout.readline()
        assert line, (lines, process.communicate())
        lines.append(line.rstrip("\n"))
    return lines


def errors_of(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return the lines on stderr. On a busy machine, asyncio's debug mode adds which callback was slow."""
    return [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]


def test_startup_runs_while_the_module_is_imported(run_python: Run) -> None:
    code = APP + "\nhandler = Bridge(app)\nsay('imported')\nfor _ in range(2): say(handler(EVENT, None)['body'])\n"
    done = run_python(code, "-Xdev", "-Werror", **LAMBDA)
    assert done.stdout.splitlines() == ["startup", "imported", *["request True", "fine"] * 2, "shutdown True"]
    assert (done.returncode, errors_of(done)) == (0, [])


def test_a_failed_startup_fails_the_import_with_the_applications_traceback(run_python: Run, tmp_path: Path) -> None:
    done = run_python(FAILING, "-Xdev", "-Wdefault", **LAMBDA)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Warning" not in done.stderr
    lines = errors_of(done)
    assert lines[0] == "Traceback (most recent call last):"
    assert f'  File "{tmp_path / "main_0.py"}", line 5, in connect' in lines
    assert "ValueError: no database" in lines
    assert "The above exception was the direct cause of the following exception:" in lines
    assert lines[-1] == (
        "bridge.errors.StartupFailed: Expected the application to answer 'lifespan.startup', "
        "but it raised ValueError: no database."
    )
    assert "never retrieved" not in done.stderr
    assert "was destroyed" not in done.stderr


@pytest.mark.parametrize(
    ("code", "last", "after"),
    [(IDLE, "ready", ["shutdown True"]), (BUSY, "waiting", ["request ended", "shutdown True"])],
    ids=["between-requests", "in-a-request"],
)
def test_sigterm_runs_the_shutdown_and_exits_with_success(
    start_python: Start, code: str, last: str, after: list[str]
) -> None:
    process = start_python(APP + code, **LAMBDA)
    lines_until(process, last)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert stdout.splitlines() == after
    assert (process.returncode, stderr) == (0, "")


STARTING = """
async def starting(scope, receive, send):
    await receive()
    try:
        say("starting")
        while True:
            await asyncio.sleep(0.01)
    finally:
        say("startup ended")

Bridge(starting)
"""


def test_sigterm_during_the_startup_cancels_that_and_exits_with_success(start_python: Start) -> None:
    process = start_python(APP + STARTING, **LAMBDA)
    lines_until(process, "starting")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert (stdout, process.returncode, stderr) == ("startup ended\n", 0, "")


def test_a_handler_made_inside_a_running_loop_starts_with_its_first_request(run_python: Run) -> None:
    code = """
async def main():
    handler = Bridge(app)
    say('constructed')
    async with handler:
        say((await handler.handle(EVENT, None))['body'])

asyncio.run(main())
"""
    done = run_python(APP + code, **LAMBDA)
    assert done.stdout.split("\n") == ["constructed", "startup", "request True", "fine", "shutdown True", ""]
    assert (done.returncode, done.stderr) == (0, "")


def test_a_handler_made_in_a_thread_starts_there(run_python: Run) -> None:
    code = """
handlers = []
thread = threading.Thread(target=lambda: handlers.append(Bridge(app)))
thread.start()
thread.join()
say(handlers[0](EVENT, None)['body'])
"""
    done = run_python(APP + code, **LAMBDA)
    assert done.stdout.split("\n") == ["startup", "request True", "fine", "shutdown True", ""]
    assert (done.returncode, done.stderr) == (0, "")


# Children of one process that make a handler each and call it without a pause, until SIGTERM comes: once, or again
# and again. Prints how each of them ended.
TERMINATED = """
import os, random, signal, time
from bridge import Bridge

async def quick(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        os.write(OUT, b"shutdown ")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})

def serve():
    handler = Bridge(quick)
    handler(EVENT, None)
    os.write(OUT, b"ready ")
    while True:
        handler(EVENT, None)

moments = random.Random(1)
for number in range(10):
    outcome, OUT = os.pipe()
    child = os.fork()
    if not child:
        serve()
    os.close(OUT)
    lines = os.read(outcome, 6)
    time.sleep(moments.uniform(0, 0.01))
    os.kill(child, signal.SIGTERM)
    while "--again" in sys.argv and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        os.kill(child, signal.SIGTERM)
        time.sleep(moments.uniform(0, 0.001))
    _, status = os.waitpid(child, 0)
    while more := os.read(outcome, 100):
        lines += more
    os.close(outcome)
    say(lines.decode() + str(os.waitstatus_to_exitcode(status)))
"""

# Before Python 3.13 the thread of the startup may be there for a moment after its join, and a fork would warn of it.
FORKED = """
import os, signal
handler = Bridge(app)
while os.path.isdir("/proc/self/task") and len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
child = os.fork()
if not child:
    if "--exit" in sys.argv:
        sys.exit(5)
    say("child")
    while True:
        time.sleep(0.01)
if "--exit" not in sys.argv:
    time.sleep(0.1)
    os.kill(child, signal.SIGTERM)
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

async def in_thread():
    await asyncio.to_thread(int)

handler._environment.loop.run(in_thread())  # hangs if the child has emptied the pipe that they share
say(handler(EVENT, None)["body"])
"""


def test_sigterm_at_any_moment_of_calls_without_a_pause_shuts_down_and_exits_with_success(run_python: Run) -> None:
    done = run_python(APP + TERMINATED, **LAMBDA)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["ready shutdown 0"] * 10), done.stderr[-2000:]


def test_sigterm_again_and_again_hangs_nothing(run_python: Run) -> None:
    done = run_python(APP + "\nsys.argv.append('--again')\n" + TERMINATED, **LAMBDA)
    # One that comes once Python has taken its signal handlers down ends the process as it would end any.
    ends = [line.split()[-1].replace("-15", "0") for line in done.stdout.splitlines()]
    assert (done.returncode, ends) == (0, ["0"] * 10), done.stderr[-2000:]


def test_a_second_sigterm_does_not_cut_the_shutdown_short(run_python: Run) -> None:
    code = """
import os, signal

async def stubborn(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("shutdown begins")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    say("shutdown ends")
    await send({"type": "lifespan.shutdown.complete"})

handler = Bridge(stubborn)
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = run_python(APP + code, **LAMBDA)
    assert done.stdout.splitlines() == ["shutdown begins", "shutdown ends"], done.stderr[-2000:]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("argument", "says"), [("--exit", ["5"]), ("--sigterm", ["child", "-15"])])
def test_a_forked_child_neither_shuts_the_application_down_nor_disturbs_its_parent(
    run_python: Run, argument: str, says: list[str]
) -> None:
    done = run_python(APP + f"\nsys.argv.append('{argument}')\n" + FORKED, **LAMBDA)
    assert done.stdout.splitlines() == ["startup", *says, "request True", "fine", "shutdown True"]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("code", "last", "after"),
    [(IDLE, "ready", ["shutdown True"]), (BUSY, "waiting", ["request ended", "shutdown True"])],
    ids=["between-requests", "in-a-request"],
)
def test_a_sigterm_handler_of_the_applications_that_exits_is_an_ordinary_end(
    start_python: Start, code: str, last: str, after: list[str]
) -> None:
    own = "import signal\nsignal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))\n"
    process = start_python(APP + own + code, **LAMBDA)
    lines_until(process, last)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert stdout.splitlines() == after
    assert (process.returncode, stderr) == (0, "")
