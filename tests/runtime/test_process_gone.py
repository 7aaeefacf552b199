"""The Runtime API goes away or refuses to go on: one line in the log, a shutdown, exit 1, and no endless attempts."""

from typing import Any

import pytest

from tests.events import MakeEvent
from tests.proxy.origins import Origin, answering, response
from tests.runtime.applications import APP
from tests.runtime.double import NEXT, RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

FUNCTION = "def handler(event, context): return event"

# Each kind of handler.
KINDS = {"application": APP.replace("app(", "handler("), "async function": f"async {FUNCTION}", "function": FUNCTION}

every_kind = pytest.mark.parametrize("kind", KINDS)
with_slots = pytest.mark.parametrize("slots", [1, 3])


def check_end(runtime: Runtime, kind: str, *facts: str) -> None:
    assert runtime.wait() == 1
    lines = runtime.log.splitlines()
    if kind == "application":
        assert (lines.pop(0), lines.pop()) == ("startup", "shutdown")
    (line,) = lines
    level, _, request_id, text = line.split("\t")
    assert (level, request_id) == ("[ERROR]", "")
    assert [fact for fact in (*facts, "The process ends.") if fact not in text] == []


def start(make: Runtimes, kind: str, slots: int, **environ: Any) -> Runtime:
    return make(KINDS[kind], "app.handler", AWS_LAMBDA_MAX_CONCURRENCY=str(slots), **environ)


@every_kind
@with_slots
def test_an_api_that_is_gone_ends_the_process(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, kind: str, slots: int
) -> None:
    runtime = start(fork_runtime, kind, slots)
    api.wait_for_polls(slots)
    api.invoke(make_event()).answer()
    api.stop()
    check_end(runtime, kind, "The Runtime API is gone")


@every_kind
@with_slots
def test_a_refusal_of_the_next_invocation_ends_the_process(fork_runtime: Runtimes, kind: str, slots: int) -> None:
    with Origin(answering(response(b"never", status=b"403 Forbidden"))) as origin:
        address = f"127.0.0.1:{origin.port}"
        runtime = start(fork_runtime, kind, slots, AWS_LAMBDA_RUNTIME_API=address, BRIDGE_EXTENSION="off")
        check_end(runtime, kind, "Expected the next invocation", "403 never")
    asked = [request.line.split()[1].decode() for request in origin.requests]
    assert asked == [NEXT] * len(asked)
    assert 1 <= len(asked) <= slots


@pytest.mark.parametrize("names", ["", "bridge slot"])
def test_an_application_that_cancels_the_runtime_ends_the_process(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, names: str
) -> None:
    cancel = f"for t in asyncio.all_tasks():\n        if t.get_name().startswith({names!r}): t.cancel()"
    code = f"import asyncio\nasync def handler(event, context):\n    {cancel}\n    await asyncio.sleep(0)"
    runtime = fork_runtime(code, "app.handler")
    api.invoke(make_event(), may_stay_unanswered=True)
    check_end(runtime, "async function", "cancel its own tasks alone")
