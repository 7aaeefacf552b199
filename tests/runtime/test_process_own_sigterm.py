"""SIGTERM where the application handles it itself: its handler stays, and an exit with 0 is an ordinary end."""

from pathlib import Path

import pytest

from tests.events import MakeEvent
from tests.runtime.applications import APP, LATE_SIGTERM
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes
from tests.runtime.test_process_shutdown import BUSY, FUNCTION, IDLE, STARTUP, start


@pytest.mark.parametrize("kind", IDLE)
@pytest.mark.parametrize("end", ["os._exit(7)", "raise SystemExit(7)"], ids=["immediately", "in order"])
def test_a_signal_handler_of_the_applications_own_stays(
    api: RuntimeDouble, fork_runtime: Runtimes, kind: str, end: str
) -> None:
    own = f"\nimport os, signal\ndef own(*args):\n    print('own', flush=True)\n    {end}\nsignal.signal(15, own)"
    runtime = fork_runtime(IDLE[kind] + own, "app.handler")
    api.wait_for_polls(1)
    runtime.terminate()
    assert runtime.wait() == 7
    is_in_order, is_application = "SystemExit" in end, kind == "application"
    log = [line for line in runtime.log.splitlines() if not line.startswith("[ERROR]")]
    assert log == ["startup"] * is_application + ["own"] + ["shutdown"] * (is_application and is_in_order)
    assert runtime.log.count("SystemExit(7)") == is_in_order


OWN_EXIT = """
import os, signal, sys

def own(*args):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"own\\n")  # print() may be what the signal has interrupted
    sys.exit(CODE)

signal.signal(signal.SIGTERM, own)
"""


def log_without_errors(runtime: Runtime) -> list[str]:
    assert "[ERROR]" not in runtime.log
    return runtime.log.splitlines()


@pytest.mark.parametrize("kind", IDLE)
@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_an_own_handler_that_exits_with_0_is_an_ordinary_end_of_an_idle_process(
    api: RuntimeDouble, fork_runtime: Runtimes, kind: str, concurrency: str
) -> None:
    code = IDLE[kind] + OWN_EXIT.replace("CODE", "0")
    runtime = fork_runtime(code, "app.handler", AWS_LAMBDA_MAX_CONCURRENCY=concurrency)
    api.wait_for_polls(int(concurrency))
    runtime.terminate()
    assert runtime.wait() == 0
    is_application = kind == "application"
    assert log_without_errors(runtime) == ["startup"] * is_application + ["own"] + ["shutdown"] * is_application


@pytest.mark.parametrize("is_application", [True, False])
def test_an_own_handler_that_exits_with_0_is_an_ordinary_end_in_an_invocation(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, tmp_path: Path, is_application: bool
) -> None:
    code, name = (BUSY, "app.app") if is_application else (FUNCTION.format(async_=""), "app.handler")
    runtime = start(fork_runtime, tmp_path, code + OWN_EXIT.replace("CODE", ""), _HANDLER=name)
    api.invoke(make_event(path="/") if is_application else "wait", may_stay_unanswered=True)
    runtime.wait_for_log("busy")
    runtime.terminate()
    assert runtime.wait() == 0
    assert "own" in log_without_errors(runtime)
    api.wait_until_left()


@pytest.mark.parametrize("code", ["print('starting', flush=True)\nsignal.pause()", STARTUP.replace("MISSED", "")])
def test_an_own_handler_that_exits_with_0_is_an_ordinary_end_of_the_init_phase(
    api: RuntimeDouble, fork_runtime: Runtimes, code: str
) -> None:
    runtime = fork_runtime(OWN_EXIT.replace("CODE", "0") + code, "app:app")
    runtime.wait_for_log("starting")
    runtime.terminate()
    assert runtime.wait() == 0
    assert "own" in log_without_errors(runtime)
    assert [request.path for request in api.requests if "extension" not in request.path] == []


def test_an_own_handler_that_exits_with_0_is_an_ordinary_end_of_workers(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    code = APP + OWN_EXIT.replace("CODE", "0")
    runtime = fork_runtime(code, "app:app", AWS_LAMBDA_MAX_CONCURRENCY="2", BRIDGE_WORKERS="2")
    api.wait_for_polls(2)
    runtime.terminate()
    assert runtime.wait() == 0
    lines = log_without_errors(runtime)
    assert sorted(lines) == ["own"] * 3 + ["shutdown"] * 2 + ["startup"] * 2


def test_an_own_handler_on_the_event_loop_that_exits_with_0_is_an_ordinary_end(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    own = "asyncio.get_running_loop().add_signal_handler(15, sys.exit)\n        print"
    runtime = fork_runtime("import asyncio, sys\n" + APP.replace("print", own, 1), "app:app")
    api.wait_for_polls(1)
    runtime.terminate()
    assert runtime.wait() == 0
    assert log_without_errors(runtime) == ["startup", "shutdown"]


@pytest.mark.parametrize("api_options", [{"snapstart": True}])
def test_an_own_handler_that_exits_with_0_is_an_ordinary_end_during_a_snapshot(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    code = APP + OWN_EXIT.replace("CODE", "0")
    runtime = fork_runtime(code, "app:app", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    api.wait_for_snapshot()
    runtime.terminate()
    assert runtime.wait() == 0
    assert log_without_errors(runtime) == ["startup", "own", "shutdown"]


def test_another_exit_code_of_an_own_handler_is_an_error(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = fork_runtime(IDLE["plain function"] + OWN_EXIT.replace("CODE", "3"), "app.handler")
    api.wait_for_polls(1)
    runtime.terminate()
    assert runtime.wait() == 3
    assert "[ERROR]" in runtime.log


@pytest.mark.parametrize(
    ("code", "exit_code"), [("def handler(event, context): sys.exit(0)", 0), ("sys.exit(0)", 1)], ids=["", "import"]
)
def test_an_exit_without_sigterm_is_an_error(
    api: RuntimeDouble, fork_runtime: Runtimes, code: str, exit_code: int
) -> None:
    runtime = fork_runtime(OWN_EXIT.replace("CODE", "0") + code, "app.handler")
    if exit_code:
        assert api.init_error().document["errorType"] == "SystemExit"
    else:
        api.invoke(1, may_stay_unanswered=True)
    assert runtime.wait() == exit_code
    assert "[ERROR]" in runtime.log


def test_a_signal_just_before_the_wait_for_an_invocation_runs_the_applications_own_handler(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    own = "\nimport signal\ndef own(*args): raise SystemExit(7)\nsignal.signal(15, own)"
    runtime = fork_runtime(f"{IDLE['plain function']}{own}{LATE_SIGTERM}", "app.handler", BRIDGE_EXTENSION="off")
    assert runtime.wait() == 7
