"""SnapStart: the life of an application around a snapshot, and what Lambda is told when a part of it fails."""

from typing import Any

import pytest

from tests.events import MakeEvent
from tests.runtime.applications import LATE_SIGTERM
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

# Answers with the number of its startup, in place of a pool of connections.
APP = """
import itertools

import snapshot_restore_py
from bridge import Bridge

numbers = itertools.count(1)
failing = ""

def say(what):
    print(what, flush=True)
    if what == failing:
        raise ConnectionError(f"{what} failed")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        number = scope["state"]["pool"] = next(numbers)
        say(f"startup {number}")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say(f"shutdown {number}")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"%d" % scope["state"]["pool"]})

snapshot_restore_py.register_before_snapshot(say, "before, first registered")
snapshot_restore_py.register_after_restore(say, "after, first registered")
"""

LAST = """
snapshot_restore_py.register_before_snapshot(say, "before, last registered")
snapshot_restore_py.register_after_restore(say, "after, last registered")
"""

BARE = "handler = app\n"
KEPT = "handler = Bridge(app, snapshot='keep-lifespan')\n"
RESTARTED = "handler = Bridge(app, snapshot='restart-lifespan')\n"

ERROR_TYPE = "lambda-runtime-function-error-type"


@pytest.fixture
def api_options() -> dict[str, Any]:
    return {"snapstart": True}


def start(make: Runtimes, code: str, **environ: Any) -> Runtime:
    return make(code, "app.handler", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", **environ)


@pytest.mark.parametrize("handler", [BARE, KEPT, RESTARTED], ids=["bare application", "Bridge", "restarted"])
def test_an_application_goes_on_over_the_snapshot_or_is_shut_down_before_and_started_after(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, handler: str
) -> None:
    number = 2 if handler == RESTARTED else 1
    runtime = start(fork_runtime, APP + handler + LAST)
    assert api.wait_for_snapshot() == 0
    assert api.extensions == []
    before = ["startup 1", "before, last registered", "shutdown 1", "before, first registered"]
    after = ["after, first registered", "startup 2", "after, last registered"]
    if number == 1:
        before.remove("shutdown 1")
        after.remove("startup 2")
    assert runtime.wait_for_lines(len(before)) == before
    api.restore()
    assert api.invoke(make_event()).answer().json["body"] == str(number)
    assert runtime.wait_for_lines(len(before + after)) == before + after
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log.splitlines() == [*before, *after, f"shutdown {number}"]


def test_an_extension_is_registered_if_that_is_set(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    start(fork_runtime, APP + BARE, BRIDGE_EXTENSION="on")
    assert api.wait_for_snapshot() == 1
    api.restore()
    assert api.invoke(make_event()).answer().json["body"] == "1"
    assert [extension.polled for extension in api.extensions] == [True]


@pytest.mark.parametrize("mode", ["auto", "on", "off"])
@pytest.mark.parametrize("api_options", [{}])
def test_elsewhere_an_extension_is_registered_unless_it_is_set_off(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, mode: str
) -> None:
    fork_runtime(APP + BARE, "app.handler", BRIDGE_EXTENSION=mode)
    assert api.invoke(make_event()).answer().json["body"] == "1"
    assert [extension.polled for extension in api.extensions] == [True] * (mode != "off")


BEFORE = ("Runtime.BeforeSnapshotError", 64)
AFTER = ("Runtime.AfterRestoreError", 65)


@pytest.mark.parametrize(("failing", "expected"), [("shutdown 1", BEFORE), ("startup 2", AFTER)])
def test_what_fails_around_a_snapshot_ends_the_process_with_a_code_of_its_own(
    api: RuntimeDouble, fork_runtime: Runtimes, failing: str, expected: tuple[str, int]
) -> None:
    runtime = start(fork_runtime, APP.replace('failing = ""', f'failing = "{failing}"') + RESTARTED + LAST)
    if expected == AFTER:
        api.restore()
    report = api.restore_error() if expected == AFTER else api.init_error()
    assert (report.headers[ERROR_TYPE], runtime.wait()) == expected
    assert f"{failing} failed" in report.document["errorMessage"]
    trace = "".join(report.document["stackTrace"])
    assert f'  File "{runtime.folder}/app.py", line 13, in say\n    raise ConnectionError' in trace
    said = ["startup 1", "before, last registered", "shutdown 1"]
    if expected == AFTER:
        said += ["before, first registered", "after, first registered", "startup 2"]
    *lines, error = sorted(runtime.log.rstrip("\n").split("\n"), key=lambda line: line.startswith("[ERROR]"))
    assert lines == said
    assert f"{failing} failed" in error


@pytest.mark.parametrize("api_options", [{}])
def test_an_api_without_snapshots_ends_the_process(api: RuntimeDouble, fork_runtime: Runtimes) -> None:
    runtime = start(fork_runtime, APP + BARE)
    report = api.init_error()
    assert (report.headers[ERROR_TYPE], runtime.wait()) == BEFORE
    assert "404" in report.document["errorMessage"]
    (violation,) = api.take_violations()
    assert "restore/next: there is no such method and path" in violation


def test_sigterm_while_the_snapshot_is_taken_ends_the_process_in_order(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    runtime = start(fork_runtime, APP + KEPT)
    api.wait_for_snapshot()
    runtime.terminate()
    assert runtime.wait() == 0
    assert runtime.log.splitlines() == ["startup 1", "before, first registered", "shutdown 1"]


def test_sigterm_just_before_the_wait_for_the_snapshot_ends_the_process_in_order(
    api: RuntimeDouble, fork_runtime: Runtimes
) -> None:
    runtime = start(fork_runtime, APP + KEPT + LATE_SIGTERM)
    assert runtime.wait() == 0
    assert runtime.log.splitlines() == ["startup 1", "before, first registered", "shutdown 1"]
