"""The Runtime API goes away or refuses to go on: one line in the log, a shutdown, exit 1, and no trying without end."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.runtime.applications import APP
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime, Runtimes

MakeEvent = Callable[..., dict[str, Any]]

# Each kind of handler, and how many invocations it answers at once.
KINDS: dict[str, tuple[str, str]] = {
    "application": (APP.replace("app(", "handler("), "1"),
    "application with three slots": (APP.replace("app(", "handler("), "3"),
    "async function": ("async def handler(event, context): return event", "1"),
    "async function with three slots": ("async def handler(event, context): return event", "3"),
    "plain function": ("def handler(event, context): return event", "1"),
    "plain function with three threads": ("def handler(event, context): return event", "3"),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def check_end(runtime: Runtime, kind: str, message: str) -> None:
    assert runtime.wait() == 1
    is_application = kind.startswith("application")
    lines = runtime.log.splitlines()
    if is_application:
        assert (lines.pop(0), lines.pop()) == ("startup", "shutdown")
    (line,) = lines
    level, _, request_id, text = line.split("\t")
    assert (level, request_id) == ("[ERROR]", "")
    assert text.startswith(message)
    assert text.endswith(" The process ends.")


def start(make: Runtimes, kind: str, **environ: Any) -> Runtime:
    code, concurrency = KINDS[kind]
    return make(code, "app.handler", AWS_LAMBDA_MAX_CONCURRENCY=concurrency, **environ)


@every_kind
def test_an_api_that_is_gone_ends_the_process(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, kind: str
) -> None:
    runtime = start(fork_runtime, kind)
    api.wait_for_polls(int(KINDS[kind][1]))
    api.invoke(make_event()).answer()
    api.stop()
    check_end(runtime, kind, "The Runtime API is gone: ")


@every_kind
def test_a_first_poll_that_is_reset_ends_the_process(api: RuntimeDouble, fork_runtime: Runtimes, kind: str) -> None:
    runtime = start(fork_runtime, kind)
    api.wait_for_polls(int(KINDS[kind][1]))
    api.drop_connections(polls=True)
    check_end(runtime, kind, "The Runtime API is gone: ")
    api.wait_until_left()


@pytest.mark.parametrize("kind", ["application", "async function", "plain function"])
def test_a_connection_that_was_closed_between_two_requests_is_made_again(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent, kind: str
) -> None:
    code, _ = KINDS[kind]
    wait = "    open(os.path.join(os.environ['LAMBDA_TASK_ROOT'], 'fifo')).read()\n"
    code = code.replace("return event", f"\n{wait}    return event")
    code = code.replace(
        '    await send({"type": "http.response.start"', f'{wait}    await send({{"type": "http.response.start"'
    )
    assert wait in code
    runtime = fork_runtime(f"import os\n{code}", "app.handler")
    fifo = runtime.folder / "fifo"
    os.mkfifo(fifo)
    for _ in range(2):
        invocation = api.invoke(make_event())
        with open(fifo, "w"):  # which waits for a reader: now it is at work, and its connection idle
            assert api.drop_connections() == 1
        assert invocation.answer().status == 202
    api.wait_for_polls(1)
    assert "ERROR" not in runtime.log


class Refusing:
    """A server in the place of the API, which answers every request with one status, and counts them."""

    def __init__(self, status: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._status = status
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.targets: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(ConnectionError), connection, connection.makefile("rwb") as stream:
                while line := stream.readline():
                    self.targets.append(line.decode().split()[1])
                    while stream.readline().strip():
                        pass
                    stream.write(b"HTTP/1.1 %d No\r\ncontent-length: 5\r\n\r\nnever" % self._status)
                    stream.flush()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture(params=[403, 500])
def refusing(request: pytest.FixtureRequest) -> Iterator[Refusing]:
    made = Refusing(request.param)
    yield made
    made.close()


@pytest.mark.parametrize(
    "kind", ["application", "async function", "plain function", "plain function with three threads"]
)
def test_a_refusal_of_the_next_invocation_ends_the_process(
    fork_runtime: Runtimes, refusing: Refusing, kind: str
) -> None:
    runtime = start(fork_runtime, kind, AWS_LAMBDA_RUNTIME_API=refusing.address, BRIDGE_EXTENSION="off")
    check_end(runtime, kind, f"Expected the next invocation, but got {refusing._status} never.")
    asked = refusing.targets
    assert set(asked) == {"/2018-06-01/runtime/invocation/next"}
    assert len(asked) <= int(KINDS[kind][1])


def test_an_api_that_was_never_there_ends_the_process(fork_runtime: Runtimes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    runtime = fork_runtime(APP, "app:app", AWS_LAMBDA_RUNTIME_API=address, BRIDGE_EXTENSION="off")
    check_end(runtime, "application", "The Runtime API is gone: [Errno 111] Connection refused.")


def test_requests_that_are_going_on_are_cancelled_because_nobody_would_hear_their_answers(
    api: RuntimeDouble, fork_runtime: Runtimes, make_event: MakeEvent
) -> None:
    code = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        print("busy", flush=True)
        await asyncio.Event().wait()
    finally:
        print("cancelled", flush=True)
"""
    runtime = fork_runtime(code, "app:app", AWS_LAMBDA_MAX_CONCURRENCY="2")
    api.wait_for_polls(2)
    api.invoke(make_event())
    runtime.wait_for_log("busy")
    api.stop()
    assert runtime.wait() == 1
    busy, cancelled, line, shutdown = runtime.log.splitlines()
    assert (busy, cancelled, shutdown) == ("busy", "cancelled", "shutdown")
    assert "The Runtime API is gone" in line
