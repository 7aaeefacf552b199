"""BRIDGE_MODE=proxy on this side of the socket: which Bridge is meant, and what the child is sent."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge import Bridge, Settings
from bridge._messages import header_pairs
from bridge.asgi import build_scope
from bridge.errors import ConfigurationError
from bridge.proxy import remote
from bridge.proxy.remote import SCOPE_HEADER, Place, Wanted, offer, place_of, with_scope
from bridge.sources import select_source
from tests.events import BASES, load

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def anyio_backend() -> str:
    """Handlers run on asyncio."""
    return "asyncio"


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("Nothing here calls the application.")


def module(name: str, source: str, **names: Any) -> ModuleType:
    """A module with this source, in a file of its own name, run as an import would."""
    made = ModuleType(name)
    made.__dict__.update(names)
    exec(compile(source, f"/task/{name}.py", "exec"), made.__dict__)
    return made


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """The places of the Bridges that the test makes. None of them starts anything."""
    found: list[Place] = []

    def remember(place: Place, app: Any) -> bool:
        found.append(place)
        return True

    monkeypatch.setattr(remote, "offer", remember)
    return found


PROXY = Settings(mode="proxy")


def test_a_place_is_the_module_the_file_and_how_many_bridges_that_has_made(places: list[Place]) -> None:
    source = "first = Bridge(app, settings=PROXY)\nsecond = Bridge(app, settings=PROXY)\n"
    module("shop_one", source, Bridge=Bridge, app=app, PROXY=PROXY)
    assert places == [Place("shop_one", "/task/shop_one.py", 1), Place("shop_one", "/task/shop_one.py", 2)]


def test_every_file_counts_for_itself(places: list[Place]) -> None:
    for name in ("shop_two", "shop_three", "shop_two"):
        module(name, "Bridge(app, settings=PROXY)", Bridge=Bridge, app=app, PROXY=PROXY)
    assert [(place.module, place.number) for place in places] == [("shop_two", 1), ("shop_three", 1), ("shop_two", 2)]


def test_a_bridge_in_process_does_not_count(places: list[Place]) -> None:
    source = "Bridge(app)\nBridge(app, settings=PROXY)\n"
    module("shop_mixed", source, Bridge=Bridge, app=app, PROXY=PROXY)
    assert [place.number for place in places] == [1]


def test_a_subclass_is_no_part_of_the_package(places: list[Place]) -> None:
    source = (
        "class Mine(Bridge):\n"
        "    def __init__(self, app):\n"
        "        super().__init__(app, settings=PROXY)\n"
        "handler = Mine(app)\n"
    )
    module("shop_subclass", source, Bridge=Bridge, app=app, PROXY=PROXY)
    assert places == [Place("shop_subclass", "/task/shop_subclass.py", 1)]


def test_a_bridge_from_another_module_s_function_has_that_file_and_the_importing_module(places: list[Place]) -> None:
    """The child has to import what calls the function: the function's own module makes no Bridge."""
    names: dict[str, Any] = {"Bridge": Bridge, "app": app, "PROXY": PROXY}
    factory = module("shop_factory", "def make():\n    return Bridge(app, settings=PROXY)\n", **names)
    module("shop_web", "handler = make()\n", make=factory.make)
    assert places == [Place("shop_web", "/task/shop_factory.py", 1)]


def test_a_place_without_a_module_around_it_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="expected a module that makes this Bridge"):
        place_of(None)


def test_frames_of_the_package_itself_are_passed_over() -> None:
    found: list[Place] = []
    inner = compile("found.append(place_of(sys._getframe()))", "/package/bridge/inner.py", "exec")
    names = {"__name__": "bridge.inner", "found": found, "place_of": place_of, "sys": sys}
    module("shop_outer", "exec(inner, names)", inner=inner, names=names)
    assert found == [Place("shop_outer", "/task/shop_outer.py", 1)]


def test_nobody_is_offered_anything_where_no_bridge_is_wanted() -> None:
    assert Wanted.here is None
    assert offer(Place("shop", "/task/shop.py", 1), app) is False


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> Wanted:
    wanted = Wanted("/task/shop.py", 2)
    monkeypatch.setattr(Wanted, "here", wanted)
    return wanted


def test_of_several_bridges_the_wanted_one_is_remembered(wanted: Wanted) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None: ...

    assert offer(Place("shop", "/task/shop.py", 1), other) is True
    assert offer(Place("shop", "/task/other.py", 2), other) is True
    assert wanted.app is None
    assert offer(Place("__main__", "/task/shop.py", 2), app) is True
    assert offer(Place("shop", "/task/shop.py", 3), other) is True
    assert wanted.app is app


@pytest.mark.usefixtures("wanted")
def test_where_a_bridge_is_wanted_none_starts_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*args: Any, **options: Any) -> None:
        raise AssertionError("The child started a process.")

    monkeypatch.setattr(subprocess, "Popen", start)

    async def fine(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

    handler = Bridge(fine, settings=PROXY)
    try:
        assert handler(load("function_url"), None)["statusCode"] == 200
    finally:
        handler.close()


@pytest.fixture
def without_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., ModuleSpec | None] = importlib.util.find_spec
    monkeypatch.setattr(
        remote, "find_spec", lambda name, *rest: None if name == "uvicorn" else find(name, *rest), raising=True
    )


@pytest.mark.usefixtures("without_uvicorn")
def test_without_uvicorn_there_is_a_clear_error_at_construction_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads = threading.active_count()
    with pytest.raises(ConfigurationError) as raised:
        Bridge(app, settings=PROXY)
    assert str(raised.value) == (
        "BRIDGE_MODE=proxy serves the application with uvicorn, which is not installed: add 'uvicorn', or "
        "'lambda-asgi-bridge[proxy]', to the function's requirements."
    )
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads


@pytest.mark.usefixtures("without_uvicorn")
def test_in_process_uvicorn_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_MODE", "in-process")
    Bridge(app, lifespan="off").close()


IMPORTED = """
import json, sys
from bridge import Bridge

async def app(scope, receive, send): ...

Bridge(app)
names = ("bridge.proxy.remote", "bridge.proxy.forwarder", "bridge.proxy.server", "bridge.proxy.transport", "uvicorn")
print([name for name in names if name in sys.modules])
"""


def test_in_process_nothing_of_this_is_imported(run_python: Run) -> None:
    done = run_python(IMPORTED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def task_of(place: Place, monkeypatch: pytest.MonkeyPatch, **environ: str) -> dict[str, Any]:
    """What the child is told, out of the command that would start it."""
    commands: list[list[str]] = []

    class Stopped(Exception): ...

    def stop(command: list[str], **options: Any) -> None:
        commands.append(command)
        raise Stopped

    monkeypatch.setattr(remote, "find_spec", lambda *args: object())
    monkeypatch.setattr(remote, "OriginProcess", stop)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with suppress(Stopped):
        remote.forwarder_to_child(place, "on")
    ((executable, *_, text),) = commands
    assert executable == sys.executable
    task: dict[str, Any] = json.loads(text)
    return task


PLACE = Place("shop.factory", "/task/shop/factory.py", 2)


@pytest.mark.parametrize(
    ("handler", "imported"),
    [
        ("app.handler", "app"),
        ("src/shop/web.handler", "src.shop.web"),
        ("src.shop.web.handler", "src.shop.web"),
        ("handler", "shop.factory"),  # no module in it
        ("", "shop.factory"),
    ],
)
def test_the_child_imports_what_lambda_imports_or_else_what_made_the_bridge(
    monkeypatch: pytest.MonkeyPatch, handler: str, imported: str
) -> None:
    task = task_of(PLACE, monkeypatch, _HANDLER=handler)
    assert (task["module"], task["file"], task["number"]) == (imported, "/task/shop/factory.py", 2)
    assert (task["script"], task["lifespan"]) == (None, "on")


def test_the_child_gets_the_path_as_it_is_now_and_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no text, such as a Path, is left out: the import system takes no notice of it either."""
    monkeypatch.setattr(sys, "path", ["/task/vendor", Path("/task/lib"), b"/task", "/task"])
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "app.handler"])
    task = task_of(PLACE, monkeypatch)
    assert task["path"] == ["/task/vendor", "/task"]
    assert task["argv"] == ["bootstrap.py", "app.handler"]


def test_a_path_that_is_no_utf_8_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/task/caf\udce9"])
    assert task_of(PLACE, monkeypatch)["path"] == ["/task/caf\udce9"]


class Context:
    """As awslambdaric's: attributes, a method, and objects with slots."""

    __slots__ = ("aws_request_id", "identity")

    def __init__(self) -> None:
        self.aws_request_id, self.identity = "request-1", None

    def get_remaining_time_in_millis(self) -> int:
        return 5000


def decoded(event: dict[str, Any], context: Any = None) -> Any:
    """The request that a handler would give its transport."""
    request = select_source(event).decode(event, Settings())
    request.extensions["asgi"] |= {"aws.event": event, "aws.context": context, "state": {"number": object()}}
    return request


@pytest.mark.anyio
@pytest.mark.parametrize("name", BASES)
async def test_the_request_to_the_child_has_its_own_head_and_the_body_behind_the_scope(name: str) -> None:
    request = decoded(load(name), Context())
    before = build_scope(request, root_path="", client=None).copy()
    body = await request.aread()
    sent = await with_scope(request)
    content = await sent.aread()
    headers = dict(header_pairs(sent))
    assert headers[b"host"] == b"localhost"
    assert headers[b"content-length"] == b"%d" % len(content)
    assert len(headers) == len(header_pairs(sent)) == 3
    length = int(headers[SCOPE_HEADER])
    assert content[length:] == body
    assert isinstance(json.loads(content[:length]), dict)
    assert (sent.method, sent.extensions["target"]) == (request.method, request.extensions["target"])
    # The handler still needs the scope: for its deadline, and for its log.
    assert build_scope(request, root_path="", client=None) == before
    assert sent.extensions["asgi"] is request.extensions["asgi"]


@pytest.mark.anyio
async def test_a_large_body_is_not_sent_twice() -> None:
    """The event has it as well, and the child makes it again."""
    sent = await with_scope(decoded(load("function_url", body="x" * 1_000_000, isBase64Encoded=False)))
    assert len(await sent.aread()) < 1_010_000


@pytest.mark.anyio
async def test_the_event_itself_is_left_as_it_was() -> None:
    event = load("rest_api")
    await with_scope(decoded(event))
    assert event == load("rest_api")


def test_the_variables_of_the_child_say_that_it_is_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(remote, "OriginProcess", lambda command, *, env: seen.append(env))
    monkeypatch.setattr(remote, "find_spec", lambda *args: object())
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    remote.forwarder_to_child(PLACE, "auto")
    ((variables),) = seen
    assert "AWS_LAMBDA_RUNTIME_API" not in variables
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "shop"
    assert "AWS_LAMBDA_RUNTIME_API" in os.environ
