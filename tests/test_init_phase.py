"""Which process is the function's own."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.init_phase import is_function_process

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# The function's module. A process imports it, says what it was during the import, and what it is afterwards.
MODULE = """
from bridge.init_phase import is_function_process
during_import = is_function_process()

def report(name):
    print(name, during_import, is_function_process(), flush=True)
"""

HELPERS = """
import multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import shop

if __name__ == "__main__":
    shop.report("function")
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload(["shop"])
        helper = context.Process(target=shop.report, args=(method,))  # imported before it knows that it has a parent
        helper.start()
        helper.join()
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(shop.report, f"pool-{method}").result()
    if (pid := os.fork()) == 0:
        shop.report("bare-fork")
        os._exit(0)
    os.waitpid(pid, 0)
    subprocess.run([sys.executable, "-c", "import shop; shop.report('command')"], check=True)
    shop.report("function")
"""

# As awslambdaric does on Managed Instances: only the workers import the function's module.
WORKERS = """
import multiprocessing

def work():
    import shop
    shop.report("worker")

for _ in range(2):
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()
"""


def test_outside_of_lambda_no_process_is_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    assert not is_function_process()
    assert dict(os.environ) == before
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    assert is_function_process()
    assert is_function_process()


def test_a_process_that_the_function_starts_is_not_the_functions(run_python: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(MODULE)
    path = os.pathsep.join([str(tmp_path), os.getcwd()])
    result = run_python(
        HELPERS, "-W", "ignore::DeprecationWarning", AWS_LAMBDA_RUNTIME_API="127.0.0.1:9", PYTHONPATH=path
    )
    assert result.stderr == ""
    assert set(result.stdout.splitlines()) == {
        "function True True",
        "fork True False",
        "pool-fork True False",
        "spawn False False",
        "pool-spawn False False",
        "forkserver False False",
        "pool-forkserver False False",
        "bare-fork True False",
        "command False False",
    }


def test_every_worker_of_awslambdaric_is_the_functions(run_python: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(MODULE)
    result = run_python(WORKERS, AWS_LAMBDA_RUNTIME_API="127.0.0.1:9")
    assert (result.stdout, result.stderr) == ("worker True True\n" * 2, "")
