"""The life of a process with a Proxy in Lambda: import, SIGTERM, fork. Each test runs a process of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.programs import Program, Programs, Run, Start, is_running, wait_until_ended

# Whether a process is in Lambda is told by this variable; nothing connects to what it names.
LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}

# awslambdaric waits for its next event in a thread or with the GIL released; an idle runtime only sleeps here.
PRELUDE = """
import json, os, sys, time
from bridge import Proxy

def say(*words):
    print(*words, flush=True)

def event(path="/"):
    http = {"method": "GET", "path": path}
    context = {"domainName": "a.lambda-url.eu-west-1.on.aws", "http": http}
    return {"version": "2.0", "rawPath": path, "requestContext": context}

def make(**arguments):
    task = json.loads(os.environ["PROGRAM"])
    return Proxy(task["command"], port=task["port"], readiness_path="/health", **arguments)
"""

IDLE = "\nhandler = make()\nsay('ready')\nwhile True: time.sleep(0.01)\n"
BUSY = "\nhandler = make()\nsay('ready')\nhandler(event('/hang'), None)\nsay('never')\n"


def environ(program: Program) -> dict[str, str]:
    return {"PROGRAM": json.dumps({"command": program.command, "port": program.port})}


def until(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == line + "\n", (said, process.communicate())


def test_the_server_is_ready_when_the_import_is_over_and_ends_with_the_process(
    run_python: Run, programs: Programs
) -> None:
    program = programs(unhealthy=2, child="idle")
    code = PRELUDE + "\nhandler = make()\nsay('imported')\n"
    done = run_python(code, "-Xdev", "-Werror", **environ(program), **LAMBDA)
    assert (done.returncode, done.stdout) == (0, "imported\n")
    # On a busy machine, asyncio's debug mode tells which callback was slow.
    assert [line for line in done.stderr.splitlines() if not line.startswith("Executing ")] == []
    assert program.targets == ["GET /health"] * 3
    wait_until_ended(*program.pids)


def test_a_server_that_cannot_start_fails_the_import_with_its_last_words(run_python: Run, programs: Programs) -> None:
    program = programs(says=["ModuleNotFoundError: shop"], exit=3)
    done = run_python(PRELUDE + "\nmake()\nsay('imported')\n", "-Xdev", "-Wdefault", **environ(program), **LAMBDA)
    assert (done.returncode, done.stdout) == (1, "")
    error, last_line = done.stderr.splitlines()[-2:]
    assert error.startswith("bridge.errors.OriginNotStarted: ")
    assert "status 3" in error
    assert last_line == "    ModuleNotFoundError: shop"
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("code", [IDLE, BUSY], ids=["between-requests", "in-a-request"])
def test_sigterm_ends_the_server_and_exits_with_success(start_python: Start, programs: Programs, code: str) -> None:
    program = programs(child="idle")
    process = start_python(PRELUDE + code, **environ(program), **LAMBDA)
    until(process, "ready")
    if code is BUSY:
        program.wait_for("request", 2)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (0, "", "")
    wait_until_ended(*program.pids)
    assert len(program.records("start")) == 1


def test_sigterm_to_the_whole_environment_starts_nothing_again(start_python: Start, programs: Programs) -> None:
    program = programs()
    process = start_python(PRELUDE + IDLE, **environ(program), **LAMBDA)
    until(process, "ready")
    process.send_signal(signal.SIGTERM)
    for pid in filter(is_running, program.pids):
        subprocess.run(["kill", str(pid)], stderr=subprocess.DEVNULL, check=False)
    assert process.wait(30) == 0
    wait_until_ended(*program.pids)


def test_ctrl_c_while_the_server_is_waited_for_ends_it(start_python: Start, programs: Programs) -> None:
    program = programs(unhealthy=sys.maxsize)
    process = start_python(PRELUDE + "\nmake(readiness_timeout=0)\n", **environ(program), **LAMBDA)
    program.wait_for("request")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in stderr.splitlines()
    assert process.returncode == -signal.SIGINT
    wait_until_ended(*program.pids)


def test_without_close_outside_lambda_the_server_ends_with_the_process(run_python: Run, programs: Programs) -> None:
    program = programs(child="idle")
    code = PRELUDE + "\nhandler = make()\nsay(handler(event(), None)['statusCode'])\n"
    done = run_python(code, **environ(program))
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")
    wait_until_ended(*program.pids)


FORKED = """
handler = make()
child = os.fork()
if not child:
    import gc
    del handler
    gc.collect()
    sys.exit(5)
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
say(handler(event(), None)["statusCode"])
"""


def test_a_forked_child_that_forgets_its_handler_and_exits_leaves_the_server_to_its_parent(
    run_python: Run, programs: Programs
) -> None:
    program = programs()
    # From Python 3.12 on, fork() warns of threads.
    done = run_python(PRELUDE + FORKED, "-W", "ignore::DeprecationWarning", **environ(program), **LAMBDA)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n200\n", "")
    assert program.targets == ["GET /health", "GET /"]


# The server imports the module that the runtime has imported, as gunicorn does with "shop:app", before it serves.
SAME_MODULE = """
say("imported")
handler = make()
if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
    command = json.loads(os.environ["PROGRAM"])["command_of_the_server"]
    os.execv(command[0], command)
"""


def test_a_module_that_the_server_imports_too_starts_one_server(
    run_python: Run, programs: Programs, tmp_path: Path
) -> None:
    program = programs()
    task = {
        "command": [sys.executable, str(tmp_path / "main_0.py")],
        "command_of_the_server": program.command,
        "port": program.port,
    }
    done = run_python(PRELUDE + SAME_MODULE, PROGRAM=json.dumps(task), **LAMBDA)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\n" * 2, "")
    assert len(program.records("start")) == 1
    wait_until_ended(*program.pids)


# A function's module whose helper processes import it again: its function is there.
HELPERS = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def square(number):
    return number * number

handler = make()

if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        context.set_forkserver_preload(["__main__"])
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            say(method, pool.submit(square, 7).result(), handler(event(), None)["statusCode"])
"""


def test_helper_processes_that_import_the_module_start_no_server(run_python: Run, programs: Programs) -> None:
    program = programs()
    done = run_python(PRELUDE + HELPERS, **environ(program), **LAMBDA)
    assert (done.returncode, done.stdout, done.stderr) == (0, "spawn 49 200\nforkserver 49 200\n", "")
    assert len(program.records("start")) == 1
    wait_until_ended(*program.pids)


def test_a_handler_that_cannot_be_made_leaves_no_server(run_python: Run, programs: Programs) -> None:
    program = programs(child="idle")
    done = run_python(PRELUDE + "\nmake(sources=[])\n", **environ(program), **LAMBDA)
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr
    wait_until_ended(*program.pids)


def test_sigterm_while_the_handler_is_made_ends_the_server(
    start_python: Start, programs: Programs, tmp_path: Path
) -> None:
    """The imports that follow the server's start take a moment: here they last until SIGTERM."""
    program = programs(child="idle")
    slow = "import threading\nclass Slow:\n    def find_spec(self, name, *_):\n"
    slow += "        if name == 'bridge.proxy.forwarder': say('importing'), threading.Event().wait(60)\n"
    process = start_python(
        PRELUDE + slow + "sys.meta_path.insert(0, Slow())\nmake()\nsay('made')\n", **environ(program), **LAMBDA
    )
    until(process, "importing")
    program.wait_for("child")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (0, "", "")
    wait_until_ended(*program.pids)
