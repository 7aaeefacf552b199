"""The processes that tests start: their log, their ends, and that nothing is left of them."""

import os
import signal
from pathlib import Path

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

FORK = """
import os, signal, sys
reading, writing = os.pipe()
if not os.fork():
    os.write(writing, b".")
    signal.pause()
os.read(reading, 1)
print("forked", flush=True)
signal.pause()
"""


def test_the_log_has_what_is_written_to_both_streams(start_runtime: Runtimes) -> None:
    runtime = start_runtime(
        """
import sys
print("one", flush=True)
print("two", file=sys.stderr, flush=True)
print("the", "end", end="", flush=True)
raise SystemExit(3)
""",
        client="app",
    )
    assert runtime.wait_for_log("two") == "two"
    assert runtime.wait_for_lines(2) == ["one", "two"]
    assert runtime.wait() == 3
    assert runtime.log == "one\ntwo\nthe end"
    assert runtime.wait_for_log("the") == "the end"
    with pytest.raises(EOFError, match="'three' is not in the log:\none"):
        runtime.wait_for_log("three")
    with pytest.raises(EOFError, match="There are no 3 lines in the log:\none"):
        runtime.wait_for_lines(3)
    assert not runtime.is_running


def test_a_wait_that_fails_shows_the_log(start_runtime: Runtimes) -> None:
    runtime = start_runtime("import signal; print('one', flush=True); signal.pause()", client="app")
    runtime.wait_for_log("one")
    with pytest.raises(TimeoutError, match="'two' is not in the log:\none"):
        runtime.wait_for_log("two", timeout=0)
    with pytest.raises(TimeoutError, match="There are no 2 lines in the log:\none"):
        runtime.wait_for_lines(2, timeout=0)
    with pytest.raises(TimeoutError, match=r"It still runs after 0 s. Its log:\none"):
        runtime.wait(0)
    assert runtime.is_running


def test_a_process_gets_arguments_and_a_small_environment(start_runtime: Runtimes, api: RuntimeDouble) -> None:
    code = "import os, sys; print([*map(str, sys.argv[1:])], os.getcwd(), sorted(os.environ.items()))"
    os.environ["NOT_FOR_RUNTIMES"] = "1"
    runtime = start_runtime(code, "app:app", "more", client="app", MORE="2", TZ="UTC")
    del os.environ["NOT_FOR_RUNTIMES"]
    assert runtime.wait() == 0
    assert runtime.log.startswith(f"['app:app', 'more'] {runtime.folder} [")
    assert "NOT_FOR_RUNTIMES" not in runtime.log
    for name, value in {"MORE": "2", "TZ": "UTC", "AWS_LAMBDA_RUNTIME_API": api.address}.items():
        assert str((name, value)) in runtime.log
    assert str(("LAMBDA_TASK_ROOT", str(runtime.folder))) in runtime.log


def test_a_folder_that_exists_is_used_as_it_is(start_runtime: Runtimes, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("")
    (tmp_path / "other.py").write_text("print('other')")
    runtime = start_runtime(tmp_path, client="other")
    assert runtime.wait() == 0
    assert (runtime.folder, runtime.log) == (tmp_path, "other\n")


def test_each_piece_of_code_has_a_folder_of_its_own(start_runtime: Runtimes) -> None:
    runtimes = [start_runtime(f"print({number})", client="app") for number in range(2)]
    assert [runtime.wait() for runtime in runtimes] == [0, 0]
    assert [runtime.log for runtime in runtimes] == ["0\n", "1\n"]


def test_a_descriptor_may_be_passed_on(start_runtime: Runtimes) -> None:
    reading, writing = os.pipe()
    runtime = start_runtime(f"import os; os.write({writing}, b'here')", client="app", pass_fds=[writing])
    os.close(writing)
    assert runtime.wait() == 0
    assert os.read(reading, 10) == b"here"
    os.close(reading)


def test_sigterm_goes_to_the_process_alone(start_runtime: Runtimes) -> None:
    runtime = start_runtime(FORK, client="app")
    runtime.wait_for_log("forked")
    runtime.terminate()
    os.waitid(os.P_PID, runtime.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(TimeoutError, match=r"What it has forked still runs after 0 s. The log:\nforked"):
        runtime.wait(0)
    runtime.kill()
    assert runtime.wait() == -signal.SIGTERM


def test_sigkill_goes_to_all_that_was_forked(start_runtime: Runtimes) -> None:
    runtime = start_runtime(FORK, client="app")
    runtime.wait_for_log("forked")
    runtime.kill()
    assert runtime.wait() == -signal.SIGKILL


def test_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path, "127.0.0.1:1")
    reading, writing = os.pipe()
    for _ in range(2):
        runtimes(FORK, client="app", pass_fds=[writing]).wait_for_log("forked")
    os.close(writing)
    runtimes.end()
    assert os.read(reading, 1) == b""  # nobody holds the other end any more
    os.close(reading)


def test_a_process_that_leaves_its_session_is_told_of(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path, "127.0.0.1:1")
    leave = FORK.replace("not os.fork():", "not os.fork():\n    os.setsid()\n    print(os.getpid(), flush=True)")
    runtime = runtimes(leave, client="app")
    runtime.wait_for_log("forked")
    with pytest.raises(AssertionError, match="something that it has started left its session"):
        runtime.end(timeout=0)
    os.kill(int(runtime.log.splitlines()[0]), signal.SIGKILL)
    runtimes.end()
