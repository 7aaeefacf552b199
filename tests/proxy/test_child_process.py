"""The parent's side of BRIDGE_MODE=proxy."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge import Bridge, Settings
from bridge._messages import EventRequest, header_pairs, request_target
from bridge._types import Receive, Scope, Send
from bridge.errors import ConfigurationError, OriginNotStarted
from bridge.proxy import child_process
from bridge.proxy.child_process import ChildProcess, application_name, for_child, forwarder_to_child
from bridge.proxy.headers import CONNECTION_HEADER
from tests.cases import every_case
from tests.proxy.programs import Run, Start, wait_until


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


async def unnamed(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


shop = SimpleNamespace(app=unnamed)
middleware = SimpleNamespace(app=lambda scope, receive, send: unnamed(scope, receive, send))
bridged = Bridge(middleware.app)


def test_the_handler_s_module_names_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    for handler in (f"{__name__}.handler", f"{__name__.replace('.', '/')}.handler"):
        monkeypatch.setenv("_HANDLER", handler)
        assert application_name(app) == f"{__name__}:app"
    # The name that the runtime was given may be within an object.
    monkeypatch.setenv("_HANDLER", f"{__name__}:shop.app")
    assert application_name(shop.app) == f"{__name__}:shop.app"
    # A Bridge holds its application, and the child serves that; a middleware is another application.
    assert application_name(bridged.app) == f"{__name__}:bridged"


def test_an_application_without_a_name_is_an_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for handler in ("", f"{__name__}.handler", "no_such_module.handler"):
        monkeypatch.setenv("_HANDLER", handler)
        with pytest.raises(ConfigurationError, match=r"Set BRIDGE_APP .*'main:app'"):
            application_name(lambda scope, receive, send: unnamed(scope, receive, send))


def test_without_uvicorn_the_mode_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="'uvicorn'"):
        Bridge(app, settings=Settings(mode="proxy"))


def test_the_advice_for_a_slow_application_is_a_variable() -> None:
    advice = forwarder_to_child(app, "main:app", "auto").origin.settings.advice
    assert "variable AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS" in advice
    assert "argument" not in advice


@pytest.mark.anyio
async def test_the_request_has_the_connection_in_a_header_that_no_client_can_set(anyio_backend: str) -> None:
    scope = {"scheme": "https", "client": ("192.0.2.7", 0), "server": ("shop", 443), "http_version": "1.1"}
    scope["root_path"] = "/café"
    spoofed = [(CONNECTION_HEADER, b"{}"), (b"x-forwarded-prefix", b"/x")]
    request = await for_child(EventRequest("GET", b"/%63af%C3%A9?a", [(b"host", b"shop"), *spoofed], b"", dict(scope)))
    (host, (name, value)) = header_pairs(request)
    assert (host, name, request_target(request)) == ((b"host", b"shop"), CONNECTION_HEADER, b"/%63af%C3%A9?a")
    assert json.loads(value) == scope | {"client": ["192.0.2.7", 0], "server": ["shop", 443]}


# What Lambda does: it imports the handler's module, and sends SIGTERM at the end.
BEGIN = "import importlib, os, sys, time\nsys.path.insert(0, os.getcwd())\n"
LOAD = "handler = importlib.import_module('main').handler\n"
SERVE = """
http = {"method": "GET", "path": "/"}
event = {"version": "2.0", "rawPath": "/", "requestContext": {"domainName": "a.on.aws", "http": http}}
print(handler(event, None)["body"], flush=True)
while True: time.sleep(0.01)
"""
RUNTIME = BEGIN + LOAD + SERVE
# As `python -m bridge.runtime` does, which puts an application into a Bridge, and runs startups after the import.
CLASSIFY = """
from bridge.init_phase import Runtime, set_runtime
from bridge.runtime.loading import classify, load
startups = []
set_runtime(Runtime(startups=startups))
name = os.environ["_HANDLER"]
handler = classify(load(name), name)[1]
for startup in startups: startup()
"""
RELOAD = "import main\nhandler = importlib.reload(main).handler\n"
MAIN = """
import logging, os
from bridge import Bridge

def make():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            logging.getLogger().warning("started")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            logging.getLogger().warning("stopped")
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
    return app
"""
LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "_HANDLER": "main.handler", "BRIDGE_MODE": "proxy"}


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Yield a folder for temporary files. pytest's are too long for a socket in them."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_in_lambda_the_child_lives_from_the_import_to_sigterm(
    start_python: Start, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(f"{MAIN}app = make()\nhandler = Bridge(app)\n")
    process = start_python(RUNTIME, **LAMBDA, TMPDIR=str(temporary))
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    wait_until(lambda: has_ended(pid))
    assert (process.returncode, [line.split("\t")[-1] for line in stderr.splitlines()]) == (0, ["started", "stopped"])
    assert list(temporary.iterdir()) == []


@every_case(
    ("source", "name", "load"),
    [
        ("app = make()", "main.app", CLASSIFY),
        ("class shop: app = staticmethod(make())", "main:shop.app", CLASSIFY),
        ("app = make()\nhandler = Bridge(app)", "main.handler", RELOAD),
        ("handler = Bridge(make())", "main.handler", CLASSIFY),
    ],
)
def test_the_application_is_found_however_its_bridge_was_made(
    start_python: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str, load: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(f"{MAIN}{source}\n")
    process = start_python(BEGIN + load + SERVE, **LAMBDA | {"_HANDLER": name})
    assert process.stdout is not None
    assert int(process.stdout.readline()) not in (0, process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_an_application_that_the_module_does_not_hold_needs_bridge_app(
    run_python: Run, start_python: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(f"{MAIN}handler = Bridge(make())\n")
    done = run_python(RUNTIME, **LAMBDA)
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr.splitlines()[-1]
    assert "BRIDGE_APP" in done.stderr.splitlines()[-1]
    process = start_python(RUNTIME, **LAMBDA, BRIDGE_APP="main:handler")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert pid not in (0, process.pid)
    assert not has_ended(pid)
    process.kill()
    process.communicate()
    wait_until(lambda: has_ended(pid))


def test_a_start_that_failed_leaves_no_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    process = ChildProcess(app, "main:app", "auto")
    for _ in range(2):
        with pytest.raises(OriginNotStarted, match="/no/such/python"):
            process.start()
        assert list(temporary.iterdir()) == []


def test_the_path_of_this_process_is_the_child_s() -> None:
    code = child_process._PROGRAM.partition("from bridge")[0] + "print(sys.path, sys.argv[1:])"
    command = [sys.executable, "-P", "-c", code, json.dumps(["/a:b", "/c"]), "main:app"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "['/a:b', '/c'] ['main:app']\n"
