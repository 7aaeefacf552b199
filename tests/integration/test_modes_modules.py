"""What real handler modules look like, each unchanged in both modes, in an execution environment of its own."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import load
from tests.integration.modes import ANSWER, MODES, Function, bodies, until_waiting

EVENT = load("function_url")

HANDLER = "handler = Bridge(app_of(VALUE))\n"


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Function]:
    folder = tmp_path / "task"
    folder.mkdir()
    function = Function(folder)
    yield function
    function.close()


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answer_of(function: Function, **environ: str) -> object:
    """What the application answers, which is the same in both modes, every time; and nothing is left behind."""
    in_process, proxied = function.run_both([EVENT, EVENT], **environ)
    assert (in_process.returncode, in_process.stderr) == (0, "")
    assert (proxied.returncode, proxied.stderr) == (0, "")
    assert function.left_behind("proxy") == []
    first, second = bodies(in_process.results)
    assert second == first
    assert bodies(proxied.results) == [first, first]
    return first


MODULES = {
    "reads sys.argv": ("import sys\nVALUE = lambda: sys.argv[1:]\n", ["app.handler"]),
    "parses sys.argv": (
        (
            "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('name')\n"
            "name = parser.parse_args().name\nVALUE = lambda: name\n"
        ),
        "app.handler",
    ),
    "has a part for being run": (
        "import sys\nVALUE = lambda: __name__\nif __name__ == '__main__':\n    sys.exit('never in Lambda')\n",
        "app",
    ),
    "changes the path": (
        (
            "import sys\nsys.path = ['vendor', *sys.path]\nsys.path.insert(0, 'lib')\nimport inside\n"
            "VALUE = lambda: inside.NAME\n"
        ),
        "inside",
    ),
    "puts a Path on the path": (
        "import pathlib, sys\nsys.path.append(pathlib.Path('vendor'))\nVALUE = lambda: 1\n",
        1,
    ),
    "wants a log handler": (
        (
            "import logging\nlogging.getLogger().handlers[0].setFormatter(logging.Formatter('%(message)s'))\n"
            "VALUE = lambda: 1\n"
        ),
        1,
    ),
    "sets up logging with a dict": (
        (
            "import logging.config\nlogging.config.dictConfig({'version': 1, 'root': {'level': 'INFO'}})\n"
            "VALUE = lambda: logging.getLogger().level\n"
        ),
        20,
    ),
    "looks whether it is in Lambda": (
        "import os\nVALUE = lambda: [name in os.environ for name in ('AWS_LAMBDA_FUNCTION_NAME', '_HANDLER')]\n",
        [True, True],
    ),
    "keeps an event loop of its own": (
        (
            "import asyncio\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n"
            "ready = loop.run_until_complete(asyncio.sleep(0, 'ready'))\nloop.close()\nVALUE = lambda: ready\n"
        ),
        "ready",
    ),
    "has a generator of numbers": ("import random\nrandom.seed(1)\nVALUE = lambda: 1\n", 1),
    "starts a process": (
        (
            "import os, subprocess, sys\n"
            "VALUE = lambda: subprocess.check_output([sys.executable, '-c', 'print(1)'], text=True)\n"
        ),
        "1\n",
    ),
    "spawns workers": (
        (
            "import concurrent.futures, multiprocessing, inside\n"
            "def VALUE():\n"
            "    context = multiprocessing.get_context('spawn')\n"
            "    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:\n"
            "        return pool.submit(work, 20).result()\n"
            "def work(number):\n"
            "    return number + inside.NUMBER\n"
        ),
        21,
    ),
    "is a dataclass's home": (
        (
            "from __future__ import annotations\nimport dataclasses, typing\n"
            "@dataclasses.dataclass\nclass Item:\n    name: str\n    parent: Item | None = None\n"
            "VALUE = lambda: sorted(typing.get_type_hints(Item))\n"
        ),
        ["name", "parent"],
    ),
    "pickles": (
        "import pickle\nclass Item: pass\nVALUE = lambda: type(pickle.loads(pickle.dumps(Item()))).__name__\n",
        "Item",
    ),
}

INSIDE = "NAME = __name__\nNUMBER = 1\n"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_answers_alike_that(function: Function, name: str) -> None:
    source, expected = MODULES[name]
    # A future import must stand first.
    function.write({"app.py": source + ANSWER + HANDLER, "lib/inside.py": INSIDE, "inside.py": INSIDE})
    assert answer_of(function) == expected


@pytest.mark.parametrize(
    ("handler", "name"),
    [("src/shop/web.handler", "src.shop.views"), ("src.shop.web.handler", "src.shop.views")],
)
def test_a_package_is_imported_as_the_handler_s_name_says(function: Function, handler: str, name: str) -> None:
    function.handler = handler
    web = "from .views import VALUE\nfrom . import views as again\n" + ANSWER + HANDLER
    function.write(
        {"src/shop/__init__.py": "", "src/shop/web.py": web, "src/shop/views.py": "VALUE = lambda: __name__\n"}
    )
    assert answer_of(function) == name


DECORATED = (
    ANSWER
    + """
import functools

def inject_lambda_context(function):
    @functools.wraps(function)
    def wrapper(event, context):
        assert context.aws_request_id.startswith("request-")
        return function(event, context)
    return wrapper

bridge = Bridge(app_of(lambda: "decorated"))

@inject_lambda_context
def lambda_handler(event, context):
    if event.get("source") == "aws.events":  # a warm-up call
        return {"warm": True}
    return bridge(event, context)
"""
)


def test_a_function_may_stand_in_front_of_the_handler(function: Function) -> None:
    function.handler = "lambda_function.lambda_handler"
    function.write({"lambda_function.py": DECORATED})
    assert answer_of(function) == "decorated"
    assert [function.run(mode, [{"source": "aws.events"}]).results for mode in MODES] == [[{"warm": True}]] * 2


SEVERAL = (
    ANSWER
    + """
first = Bridge(app_of(lambda: 1))
second = Bridge(app_of(lambda: 2), lifespan="off")
handlers = {name: Bridge(app_of(lambda name=name: name)) for name in ("three", "four")}
four = handlers["four"]

def handler(event, context):
    results = [json.loads(bridge(event, context)["body"]) for bridge in (first, second, *handlers.values())]
    return {"body": json.dumps(results)}
"""
)


def test_several_bridges_in_one_module_each_serve_their_own_application(function: Function) -> None:
    function.write({"app.py": SEVERAL})
    assert answer_of(function) == [1, 2, "three", "four"]


FACTORY = """
from bridge import Bridge

class ShopBridge(Bridge):
    def __init__(self, app):
        super().__init__(app, lifespan="off")

def make(app):
    return ShopBridge(app)
"""


def test_a_bridge_that_another_module_makes_is_found(function: Function) -> None:
    source = "from shop.factory import make\n" + ANSWER + "other = make(app_of(lambda: 1))\n"
    source += "handler = make(app_of(lambda: 2))\n"
    function.write({"app.py": source, "shop/factory.py": FACTORY})
    assert answer_of(function) == 2


ROUTES = """
from fastapi import FastAPI
from bridge import Bridge

app = FastAPI()
handler = Bridge(app)

@app.get("/orders/{name}")
@app.post("/orders/{name}")
def order(name: str) -> dict[str, str]:
    return {"name": name}
"""


def test_routes_may_be_registered_behind_the_bridge(function: Function) -> None:
    function.write({"app.py": ROUTES})
    assert answer_of(function) == {"name": "café"}


LOGGING = (
    "import logging\n"
    "logger = logging.getLogger()\n"
    "logger.setLevel(logging.INFO)\n"
    "def VALUE():\n"
    "    print('printed')\n"
    "    logging.getLogger('shop').info('an order')\n"
)


def test_what_the_application_prints_and_logs_is_in_the_log(function: Function) -> None:
    function.write({"app.py": LOGGING + ANSWER + HANDLER})
    for mode in MODES:
        done = function.run(mode, [EVENT])
        said = done.stdout + done.stderr
        assert "printed\n" in said
        assert "[INFO]" in said
        assert "an order" in said


def test_what_the_application_prints_is_seen_at_once(function: Function) -> None:
    """And not when a buffer is full: an environment is frozen, or ends, before that."""
    function.write({"app.py": "VALUE = lambda: print('printed')\n" + ANSWER + HANDLER})
    for mode in MODES:
        process = function.start(mode, [EVENT])
        assert until_waiting(process) == "printed\n"
        process.terminate()
        assert function.outcome(process, mode).returncode == 0


TRACE = "import os\nVALUE = lambda: os.environ.get('_X_AMZN_TRACE_ID')\n"


def test_the_trace_of_an_invocation_is_where_tracing_libraries_look(function: Function) -> None:
    function.write({"app.py": TRACE + ANSWER + HANDLER})
    in_process, proxied = function.run_both([EVENT, EVENT])
    traces = [f"Root=1-65a1b2c3-{number:024x}" for number in range(2)]
    assert bodies(in_process.results) == traces
    assert bodies(proxied.results) == traces


AT_EXIT = "import atexit\natexit.register(lambda: print('flushed', flush=True))\nVALUE = lambda: 1\n"


def test_what_is_registered_for_the_end_runs_where_the_application_is(function: Function) -> None:
    """Tracing and metrics libraries send what they have collected. The importing process runs its own, as ever."""
    function.write({"app.py": AT_EXIT + ANSWER + HANDLER})
    in_process, proxied = function.run_both([EVENT])
    assert in_process.stdout.count("flushed\n") == 1
    assert proxied.stdout.count("flushed\n") == 2


CALLS_ITSELF = (
    "VALUE = lambda: 1\n"
    + ANSWER
    + HANDLER
    + "EVENT = json.load(open(os.environ['EVENTS_FILE']))[0]\nprint('warm', handler(EVENT, None)['body'], flush=True)\n"
)


def test_a_module_that_calls_its_own_handler_starts_no_chain_of_children(function: Function) -> None:
    """In the child the call is answered by the application right there."""
    function.write({"app.py": CALLS_ITSELF})
    done = function.run("proxy", [EVENT], EVENTS_FILE=str(function.folder.parent / "events.json"))
    assert (done.returncode, done.stderr, bodies(done.results)) == (0, "", [1])
    assert done.stdout.count("warm 1\n") == 2


# What happens at import happens twice, in this process and in the child, which begins with the environment variables
# and the working directory that the first import left. A module that cannot bear it cannot be served.
TWICE = {
    "takes a secret out of the environment": ("import os\nTOKEN = os.environ.pop('TOKEN')\n", "KeyError: 'TOKEN'"),
    "goes to a folder by a relative path": ("import os\nos.chdir('lib')\n", "FileNotFoundError"),
    "listens on a port": (
        "import os, socket\nlistener = socket.create_server(('127.0.0.1', int(os.environ['FREE_PORT'])))\n",
        "OSError: [Errno 98]",
    ),
    "fails in the child": (
        "import os\nif 'AWS_LAMBDA_RUNTIME_API' not in os.environ:\n    raise ValueError('only here')\n",
        "ValueError: only here",
    ),
    "does not compile there": (
        "import os\nif 'AWS_LAMBDA_RUNTIME_API' not in os.environ:\n    exec('1 +')\n",
        "SyntaxError: invalid syntax",
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_module_that_fails_in_the_child_fails_the_import_with_that_traceback(
    function: Function, name: str, free_port: int
) -> None:
    source, error = TWICE[name]
    function.write({"app.py": source + "VALUE = lambda: 1\n" + ANSWER + HANDLER, "lib/inside.py": ""})
    done = function.run("proxy", [EVENT], TOKEN="x", FREE_PORT=str(free_port))
    assert (done.returncode, done.results) == (1, [])
    report = done.stderr[done.stderr.rindex("bridge.errors.OriginNotStarted: ") :]
    assert "The web server ended before it was ready" in report
    assert "app.py" in report
    assert error in report
    assert function.left_behind("proxy") == []


LAZY = (
    ANSWER
    + """
def handler(event, context):
    return Bridge(app_of(lambda: 1))(event, context)
"""
)
ONLY_IN_LAMBDA = (
    ANSWER
    + """
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    handler = Bridge(app_of(lambda: 1))
"""
)
NOT_FOUND = "expected the import of 'app' to make Bridge no. 1 of "


def test_an_application_that_the_import_does_not_show_is_a_clear_error(function: Function) -> None:
    function.write({"app.py": ONLY_IN_LAMBDA})
    done = function.run("proxy", [EVENT])
    assert (done.returncode, done.results) == (1, [])
    assert NOT_FOUND + str(function.folder / "app.py") in done.stderr
    assert function.left_behind("proxy") == []


def test_a_bridge_that_is_made_in_an_invocation_is_a_clear_error(function: Function) -> None:
    function.write({"app.py": LAZY})
    (result,) = function.run("proxy", [EVENT]).results
    assert result["raised"].startswith("OriginNotStarted: ")
    assert NOT_FOUND + str(function.folder / "app.py") in result["raised"]
    assert function.left_behind("proxy") == []


def test_settings_for_other_servers_do_not_reach_the_child(function: Function) -> None:
    function.write({"app.py": "VALUE = lambda: 1\n" + ANSWER + HANDLER})
    assert answer_of(function, WEB_CONCURRENCY="4", PORT="8080", UVICORN_WORKERS="3", AWS_LWA_PORT="8080") == 1
