"""Which httpx the package uses, and what of it. Each in a process of its own, where nothing was imported yet."""

import subprocess
from collections.abc import Callable
from importlib.util import find_spec

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

INSTALLED = [name for name in ("httpx2", "httpx") if find_spec(name) is not None]
REPORT = """
import sys, bridge
from bridge._httpx import httpx
print(httpx.__name__, *sorted({"httpx", "httpx2", "httpx._main", "click", "rich"} & set(sys.modules)))
"""

needs_both = pytest.mark.skipif(len(INSTALLED) < 2, reason=f"of httpx and httpx2 only {INSTALLED} is installed")
needs_httpx = pytest.mark.skipif("httpx" not in INSTALLED, reason="httpx is not installed")


def report(run_python: Run, code: str) -> list[str]:
    done = run_python(code + REPORT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@needs_both
@pytest.mark.parametrize("name", INSTALLED)
def test_the_flavour_that_the_application_has_imported_is_taken(run_python: Run, name: str) -> None:
    taken, *loaded = report(run_python, f"import {name}")
    assert taken == name
    assert {"httpx", "httpx2"} & set(loaded) == {name}


@needs_both
def test_httpx2_is_taken_where_both_are_installed_and_httpx_is_not_loaded(run_python: Run) -> None:
    taken, *loaded = report(run_python, "")
    assert taken == "httpx2"
    assert {"httpx", "httpx2"} & set(loaded) == {"httpx2"}


@needs_both
def test_httpx2_is_taken_where_both_are_imported(run_python: Run) -> None:
    assert report(run_python, "import httpx, httpx2")[0] == "httpx2"


def without_httpx2(name: str = "httpx2") -> str:
    """Code that makes the import of httpx2 fail, as if `name` were not installed."""
    return f"""
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname == "httpx2":
            raise ModuleNotFoundError("No module named {name!r}", name={name!r})

sys.meta_path.insert(0, Missing())
"""


@needs_httpx
def test_httpx_is_taken_where_httpx2_is_not_installed_and_its_command_line_is_not_loaded(run_python: Run) -> None:
    assert report(run_python, without_httpx2()) == ["httpx", "httpx"]


def test_a_broken_installation_of_httpx2_is_not_passed_over_in_silence(run_python: Run) -> None:
    done = run_python(without_httpx2("something_it_needs") + "from bridge import InProcessTransport\n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'something_it_needs'"


@needs_httpx
def test_the_command_line_of_httpx_still_works_for_who_calls_it(run_python: Run) -> None:
    done = run_python(
        without_httpx2() + "from bridge import InProcessTransport\nimport httpx\nhttpx.main(['--help'])\n"
    )
    if find_spec("click") is None or find_spec("rich") is None:
        assert done.returncode == 1
        assert "httpx[cli]" in done.stdout + done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert "httpx <URL> [OPTIONS]" in done.stdout


@needs_httpx
def test_the_module_of_the_command_line_can_still_be_imported(run_python: Run) -> None:
    code = "import importlib\nfrom bridge import InProcessTransport\nimportlib.import_module('httpx._main')\n"
    done = run_python(without_httpx2() + code + "print('imported')\n")
    if find_spec("click") is None or find_spec("rich") is None:
        assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: No module named")
    else:
        assert (done.stdout, done.stderr) == ("imported\n", "")


@needs_httpx
def test_an_httpx_that_was_imported_before_keeps_its_own_command_line(run_python: Run) -> None:
    code = "import httpx\nmain = httpx.main\nfrom bridge import InProcessTransport\nprint(httpx.main is main)\n"
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_transport_belongs_to_the_flavour_in_use(run_python: Run) -> None:
    code = "from bridge import InProcessTransport\nfrom bridge._httpx import httpx\n"
    done = run_python(code + "print(issubclass(InProcessTransport, httpx.ASGITransport))\n")
    assert (done.stdout, done.stderr) == ("True\n", "")
