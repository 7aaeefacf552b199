"""Which flavour of httpx the package uses, and how it imports it. Each in a process that has imported nothing yet."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from bridge._httpx import httpcore

Run = Callable[..., "subprocess.CompletedProcess[str]"]

INSTALLED = [name for name in ("httpx", "httpx2") if find_spec(name) is not None]
HAS_CLIENT = find_spec("click") is not None and find_spec("rich") is not None

needs_both = pytest.mark.skipif(len(INSTALLED) < 2, reason=f"of httpx and httpx2 only {INSTALLED} is installed")
needs_httpx = pytest.mark.skipif("httpx" not in INSTALLED, reason="httpx is not installed")

# The flavour that bridge uses, what was imported of both flavours and their command line, and what the transport is.
REPORT = """
import sys, bridge
from bridge._httpx import httpx
loaded = {"httpx", "httpx2", "httpx._main", "click", "rich"} & set(sys.modules)
print(httpx.__name__, sorted(loaded), issubclass(bridge.InProcessTransport, httpx.ASGITransport))
"""


def hidden(name: str, because_of: str = "") -> str:
    """Return code that makes the import of `name` fail, as if it or `because_of` were not installed."""
    missing = because_of or name
    return f"""
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname == {name!r}:
            raise ModuleNotFoundError("No module named {missing!r}", name={missing!r})
sys.meta_path.insert(0, Hidden())
"""


def report(run_python: Run, code: str) -> str:
    done = run_python(code + REPORT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@needs_both
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", "httpx ['httpx'] True"),
        ("import httpx2", "httpx2 ['httpx2'] True"),
        ("import sys; sys.modules['httpx'] = None", "httpx2 ['httpx', 'httpx2'] True"),
        (hidden("httpx"), "httpx2 ['httpx2'] True"),
    ],
    ids=["none is imported", "httpx2 is imported", "httpx is blocked", "httpx is not installed"],
)
def test_the_flavour_is_the_imported_one_else_httpx_else_httpx2(run_python: Run, code: str, expected: str) -> None:
    assert report(run_python, code) == expected


# The import of httpx stops in its middle, in another thread, until that of bridge has begun.
IN_ANOTHER_THREAD = """
import builtins, importlib, threading
begun, go_on, real = threading.Event(), threading.Event(), builtins.__import__

def slow(name, *arguments, **options):
    if "_models" in name and not begun.is_set():
        begun.set()
        go_on.wait(60)
    return real(name, *arguments, **options)

builtins.__import__ = slow
other = threading.Thread(target=importlib.import_module, args=("httpx",))
other.start()
begun.wait(60)
threading.Timer(0.1, go_on.set).start()
import bridge
from bridge._httpx import httpx
httpx.Request("GET", "http://app.test/")
other.join()
print("whole")
"""


@needs_httpx
def test_an_import_in_another_thread_is_waited_for(run_python: Run) -> None:
    done = run_python(IN_ANOTHER_THREAD)
    assert (done.stdout, done.stderr) == ("whole\n", "")


@needs_both
def test_a_broken_installation_is_not_passed_over(run_python: Run) -> None:
    done = run_python(hidden("httpx", "something_it_needs") + "import bridge\n")
    assert done.returncode == 1
    assert "No module named 'something_it_needs'" in done.stderr


def test_without_either_the_error_names_the_package(run_python: Run) -> None:
    done = run_python(hidden("httpx") + hidden("httpx2") + "import bridge\n")
    assert "ModuleNotFoundError: No module named 'httpx2'" in done.stderr


@needs_httpx
@pytest.mark.skipif(not HAS_CLIENT, reason="httpx's command line needs click and rich")
def test_the_command_line_is_imported_only_when_it_is_called(run_python: Run) -> None:
    assert report(run_python, "import sys; sys.modules['httpx2'] = None") == "httpx ['httpx', 'httpx2'] True"
    done = run_python("import bridge, httpx\nhttpx.main(['--help'])\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "httpx <URL> [OPTIONS]" in done.stdout


@needs_httpx
def test_without_its_packages_the_command_line_says_what_to_install(run_python: Run) -> None:
    done = run_python(hidden("click") + "import bridge, httpx\nhttpx.main()\n")
    assert done.returncode == 1
    assert "httpx[cli]" in done.stdout


@needs_httpx
def test_an_httpx_that_was_imported_before_keeps_its_own_command_line(run_python: Run) -> None:
    done = run_python("import httpx\nmain = httpx.main\nimport bridge\nprint(httpx.main is main)\n")
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_socket_uses_httpcore2_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"httpcore2"}
    monkeypatch.setattr("bridge._httpx.find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr("bridge._httpx.import_module", lambda name: name)
    monkeypatch.delitem(sys.modules, "httpcore2", raising=False)
    assert httpcore() == "httpcore2"
    installed.clear()
    assert httpcore() == "httpcore"
