"""The child process of `BRIDGE_MODE=proxy`: one, started again once, and never left behind."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import Bridge, Settings
from bridge.errors import OriginLost
from tests.events import load
from tests.integration.modes import ANSWER, MODES, Function, bodies, load_pair, processes_of, until_waiting

pytestmark = [
    pytest.mark.usefixtures("nothing_unclosed"),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc"),
]

EVENT = load("function_url")

PID = ANSWER + "handler = Bridge(app_of(os.getpid))\n"

LIFESPAN = (
    ANSWER
    + """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("startup", os.environ.get("AWS_LAMBDA_RUNTIME_API", "none"), flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await answer(send, os.getpid())

handler = Bridge(app)
"""
)


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Function]:
    folder = tmp_path / "task"
    folder.mkdir()
    function = Function(folder)
    yield function
    function.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True  # running, or a zombie


def ask(handler: Bridge) -> int:
    (pid,) = bodies([handler(EVENT, None)])
    assert isinstance(pid, int)
    return pid


def test_the_child_is_one_process_and_is_gone_after_close_with_its_folder(tmp_path: Path, temporary: Path) -> None:
    with load_pair(tmp_path, PID) as pair:
        assert ask(pair.in_process) == os.getpid()
        pid = ask(pair.proxied)
        assert pid != os.getpid()
        assert ask(pair.proxied) == pid
        assert len(list(temporary.iterdir())) == 1
        pair.proxied.close()
        assert not exists(pid)
        assert list(temporary.iterdir()) == []


def test_the_folder_of_the_socket_is_open_to_nobody_else(tmp_path: Path, temporary: Path) -> None:
    with load_pair(tmp_path, PID) as pair:
        ask(pair.proxied)
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700


def test_close_ends_a_child_that_async_code_started(tmp_path: Path) -> None:
    with load_pair(tmp_path, PID) as pair:
        (pid,) = bodies([asyncio.run(pair.proxied.handle(EVENT, None))])
        assert exists(pid)
        pair.proxied.close()
        assert not exists(pid)


def test_async_with_ends_the_child(tmp_path: Path, temporary: Path) -> None:
    async def use(handler: Bridge) -> int:
        async with handler:
            (pid,) = bodies([await handler.handle(EVENT, None)])
            assert exists(pid)
        assert isinstance(pid, int)
        return pid

    with load_pair(tmp_path, PID) as pair:
        first, second = asyncio.run(use(pair.proxied)), asyncio.run(use(pair.proxied))
        assert first != second
        assert (exists(first), exists(second)) == (False, False)
        assert list(temporary.iterdir()) == []


def test_nothing_is_left_of_a_handler_that_was_never_called(tmp_path: Path, temporary: Path) -> None:
    with load_pair(tmp_path, PID) as pair:
        pair.proxied.close()
        assert list(temporary.iterdir()) == []


def kill(pid: int) -> None:
    """Returns when it is gone, and no zombie any more."""
    os.kill(pid, signal.SIGKILL)
    while exists(pid):
        os.sched_yield()


def until_answered(handler: Bridge) -> None:
    while handler(EVENT, None)["statusCode"] == 502:
        pass


HELPED = """
import functools, subprocess

@functools.cache
def helper():  # holds the child's stderr open when that is gone
    return subprocess.Popen(["sleep", "30"])

handler = Bridge(app_of(lambda: [os.getpid(), helper().pid]))
"""


def test_a_request_that_finds_the_child_gone_is_answered_by_the_next_one(tmp_path: Path) -> None:
    """Nothing of it had been sent. A child may well end between two invocations: by the kernel, for its memory."""
    helpers = []
    with load_pair(tmp_path, ANSWER + HELPED) as pair:
        try:
            ((first, helper),) = bodies([pair.proxied(EVENT, None)])
            helpers.append(helper)
            kill(first)
            result = pair.proxied(EVENT, None)
            assert result["statusCode"] == 200
            ((second, helper),) = bodies([result])
            helpers.append(helper)
            assert second != first
        finally:
            for helper in helpers:
                os.kill(helper, signal.SIGKILL)


def test_a_child_that_is_killed_is_started_again_once(tmp_path: Path) -> None:
    with load_pair(tmp_path, PID) as pair:
        first = ask(pair.proxied)
        kill(first)
        until_answered(pair.proxied)
        second = ask(pair.proxied)
        assert second != first
        assert ask(pair.proxied) == second
        kill(second)
        with pytest.raises(OriginLost, match="ended by SIGKILL"):
            until_answered(pair.proxied)


def test_an_application_that_ends_its_process_ends_the_child_alone(tmp_path: Path) -> None:
    """The client whose request it was gets a 502, and the next one an answer."""
    source = ANSWER + "handler = Bridge(app_of(lambda: os._exit(7) if os.path.exists(CRASH) else os.getpid()))\n"
    crash = tmp_path / "crash"
    with load_pair(tmp_path, f"CRASH = {str(crash)!r}\n{source}") as pair:
        first = ask(pair.proxied)
        crash.touch()
        assert pair.proxied(EVENT, None)["statusCode"] == 502
        crash.unlink()
        assert ask(pair.proxied) != first


def test_in_lambda_the_lifespan_runs_in_the_child_from_import_to_sigterm(function: Function) -> None:
    function.write({"app.py": LIFESPAN})
    process = function.start("proxy", [EVENT, EVENT])
    assert until_waiting(process) == "startup none\n"
    parent, child = processes_of(function.folder)
    assert parent == process.pid
    process.send_signal(signal.SIGTERM)
    done = function.outcome(process, "proxy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "shutdown\n", "")
    assert bodies(done.results) == [child, child]
    assert processes_of(function.folder) == []
    assert function.left_behind("proxy") == []


def test_the_child_ends_with_a_runtime_that_ends_by_itself(function: Function) -> None:
    function.write({"app.py": LIFESPAN})
    process = function.start("proxy", [EVENT], TEST_END="1")
    done = function.outcome(process, "proxy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "startup none\nwaiting\nshutdown\n", "")
    assert processes_of(function.folder) == []
    assert function.left_behind("proxy") == []


def test_the_child_ends_with_a_program_that_never_closes_the_handler(function: Function) -> None:
    main = "import json, os\nfrom app import handler\n"
    main += "print(handler(json.load(open(os.environ['TEST_EVENTS']))[0], None)['statusCode'])\n"
    function.write({"app.py": PID, "main.py": main})
    done = function.run("proxy", [EVENT], program="main.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")
    assert processes_of(function.folder) == []
    assert function.left_behind("proxy") == []


def test_the_child_ends_with_a_program_that_fails(function: Function) -> None:
    main = (
        "import json, os\nfrom app import handler\nhandler(json.load(open(os.environ['TEST_EVENTS']))[0], None)\n1/0\n"
    )
    function.write({"app.py": PID, "main.py": main})
    done = function.run("proxy", [EVENT], program="main.py")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert processes_of(function.folder) == []
    assert function.left_behind("proxy") == []


def test_the_child_does_not_outlive_a_process_that_is_killed(function: Function) -> None:
    """It is told so by nobody: it has to see for itself."""
    function.write({"app.py": PID})
    process = function.start("proxy", [EVENT])
    until_waiting(process)
    process.kill()
    process.communicate(timeout=10)  # ends when the child has let go of the pipes
    assert processes_of(function.folder) == []


FORKS = (
    ANSWER
    + """
bridge = Bridge(app_of(lambda: 1))

def handler(event, context):
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    return bridge(event, context)
"""
)


def test_a_forked_process_that_ends_takes_nothing_with_it(function: Function) -> None:
    """Neither the child nor the folder of its socket. Every request makes a connection here."""
    function.write({"app.py": FORKS})
    for mode in MODES:
        done = function.run(mode, [EVENT] * 3, AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS="0")
        assert bodies(done.results) == [1, 1, 1]


SLEEPING = """
from bridge import Proxy

if "AWS_LAMBDA_RUNTIME_API" not in os.environ:  # in the child alone, where it is not started
    sleeping = Proxy([sys.executable, "-c", "import time; time.sleep(60)"], port=1)
"""


def test_the_child_starts_no_process_of_its_own(function: Function) -> None:
    """It imports the module, which makes the same handlers once more."""
    function.write({"app.py": PID + "second = Bridge(app_of(os.getpid))\n" + SLEEPING})
    process = function.start("proxy", [EVENT])
    until_waiting(process)
    assert len(processes_of(function.folder)) == 3  # the runtime, and a child for each Bridge
    process.terminate()
    assert function.outcome(process, "proxy").returncode == 0
    assert processes_of(function.folder) == []
    assert function.left_behind("proxy") == []


WORKERS = (
    "import concurrent.futures, multiprocessing\n"
    + ANSWER
    + """
def work():
    return os.getpid()

def value():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work).result() != os.getpid()

handler = Bridge(app_of(value))
"""
)


def test_workers_that_import_the_module_start_nothing(function: Function) -> None:
    function.write({"app.py": WORKERS})
    for mode in MODES:
        done = function.run(mode, [EVENT])
        assert (done.returncode, bodies(done.results), done.stderr) == (0, [True], "")
        assert function.left_behind(mode) == []


THREADS = """
import json, os
from fastapi import FastAPI
from bridge import Bridge

app = FastAPI()
handler = Bridge(app)

@app.post("/orders/{name}")
def order(name: str) -> str:  # in a thread
    return name

if __name__ == "__main__":
    print(handler(json.load(open(os.environ["TEST_EVENTS"]))[0], None)["body"])
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_program_ends_though_its_application_has_used_threads(function: Function, mode: str) -> None:
    function.write({"main.py": THREADS})
    process: subprocess.Popen[str] = function.start(mode, [EVENT], program="main.py")
    assert process.communicate(timeout=20) == ('"café"\n', "")


def test_a_folder_for_the_socket_that_is_too_deep_is_an_error_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    async def app(scope: object, receive: object, send: object) -> None: ...

    with pytest.raises(Exception, match="socket"):
        Bridge(app, settings=Settings(mode="proxy"))
    assert list(deep.iterdir()) == []
