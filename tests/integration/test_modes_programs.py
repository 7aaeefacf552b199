"""Programs of one's own that make a Bridge, in both modes: no runtime imports them, and no `_HANDLER` names them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import load
from tests.integration.modes import ANSWER, Function

EVENT = load("function_url")

EVENT_OF = "import json, os\nEVENT = json.load(open(os.environ['TEST_EVENTS']))[0]\n"

HANDLER = "handler = Bridge(app_of(VALUE))\n"


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Function]:
    folder = tmp_path / "task"
    folder.mkdir()
    function = Function(folder)
    yield function
    function.close()


# A program that handles one event and prints the body.
RUN = """
if __name__ == "__main__":
    print({}(EVENT, None)["body"], flush=True)
"""


FACTORY = """
from bridge import Bridge

class ShopBridge(Bridge):
    def __init__(self, app):
        super().__init__(app, lifespan="off")

def make(app):
    return ShopBridge(app)
"""


def test_a_bridge_that_another_module_makes_is_found_without_the_name_of_the_handler(function: Function) -> None:
    """In tests and in local servers there is no _HANDLER: then the module that was being imported counts."""
    source = "from shop.factory import make\n" + ANSWER + "handler = make(app_of(lambda: 1))\n"
    main = EVENT_OF + "import web\n" + RUN.format("web.handler")
    function.write({"web.py": source, "shop/factory.py": FACTORY, "main.py": main})
    in_process, proxied = function.run_both([EVENT], program="main.py")
    assert (proxied.stdout, proxied.stderr) == (in_process.stdout, in_process.stderr) == ("1\n", "")


PROGRAM = (
    "from __future__ import annotations\n"
    + ANSWER
    + """
EVENT = json.load(open(os.environ["TEST_EVENTS"]))[0]
handler = Bridge(app_of(lambda: value()))

def value():  # looks its own module up, as dataclasses, pickle and pydantic do
    return [sys.modules[__name__].handler is handler, sys.argv[1:]]
"""
    + RUN.format("handler")
)


def test_a_program_serves_what_it_has_made_itself(function: Function) -> None:
    function.write({"main.py": PROGRAM})
    in_process, proxied = function.run_both([EVENT], program="main.py --flag")
    assert json.loads(in_process.stdout) == [True, ["--flag"]]
    assert (proxied.stdout, proxied.stderr) == (in_process.stdout, "")


def test_a_program_run_as_a_module_has_its_package(function: Function) -> None:
    function.write({"shop/__init__.py": "", "shop/main.py": PROGRAM + "\nfrom . import other\n", "shop/other.py": ""})
    in_process, proxied = function.run_both([EVENT], program="-m shop.main --flag")
    assert json.loads(in_process.stdout) == [True, ["--flag"]]
    assert (proxied.stdout, proxied.stderr) == (in_process.stdout, "")


def test_a_program_without_a_file_is_a_clear_error(function: Function) -> None:
    code = PROGRAM.replace("from __future__ import annotations", "")
    (function.folder / "code.txt").write_text(code)
    done = function.run("proxy", [EVENT], program="-c exec(open('code.txt').read())")
    assert "BRIDGE_MODE=proxy" in done.stderr
    assert "program" in done.stderr


def test_a_module_named_like_one_of_the_library_s_is_no_obstacle(function: Function) -> None:
    """The child works in the function's folder, which only is on the path where the runtime has put it."""
    function.handler = "app.handler"
    function.write({"app.py": "VALUE = lambda: 1\n" + ANSWER + HANDLER, "lib/json.py": "raise ImportError\n"})
    main = EVENT_OF + "os.chdir('lib')\nimport app\n"
    function.write({"main.py": main + RUN.format("app.handler")})
    in_process, proxied = function.run_both([EVENT], program="main.py")
    assert (proxied.stdout, proxied.stderr) == (in_process.stdout, in_process.stderr) == ("1\n", "")
