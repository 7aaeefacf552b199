"""A WSGI application near its deadline, in a thread of its own: its answer, and what becomes of the thread."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge import Bridge
from tests.events import MakeEvent
from tests.logged import assert_logged
from tests.runtime.double import RuntimeDouble
from tests.runtime.slots import DEADLINE, Gate, Slots

NEAR = "There is no result, and the deadline"

# The slots of these tests run on an event loop that is not a handler's own: the application gets a thread.


class Late:
    """An application that waits, at first or after a part of its response."""

    def __init__(self) -> None:
        self.arrived, self.gate, self.closed = Gate(), Gate(), Gate()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/late":
            self.wait_here()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.parts(environ["PATH_INFO"])

    def parts(self, path: str) -> Iterator[bytes]:
        try:
            yield b"first"
            while path == "/endless":
                yield b"more"
            if path == "/half":
                self.wait_here()
        finally:
            self.closed.open()

    def wait_here(self) -> None:
        self.arrived.open()
        self.gate.wait()


def test_a_late_thread_is_left_and_the_caller_gets_a_504(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    app = Late()
    running = slots.on_loop(Bridge(app))
    invocation = api.invoke(make_event(path="/late"), deadline=DEADLINE)
    app.arrived.wait()
    running.near_deadline()
    assert invocation.answer().json["statusCode"] == 504
    assert_logged(caplog, ("ERROR", NEAR, "Thread bridge WSGI application:", "in wait_here"))
    assert api.invoke(make_event(path="/"), deadline=DEADLINE).answer().json["body"] == "first"  # in another thread
    app.gate.open()


@pytest.mark.parametrize("path", ["/half", "/endless"])
def test_a_late_stream_is_broken_off_and_closed(
    api: RuntimeDouble, slots: Slots, make_event: MakeEvent, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app = Late()
    running = slots.on_loop(Bridge(app), streams=True)
    invocation = api.invoke(make_event(path=path), deadline=DEADLINE)
    invocation.wait_for(lambda body: b"\0first" in body)
    if path == "/half":
        app.arrived.wait()
    running.near_deadline()
    answer = invocation.answer()
    assert (answer.is_whole, answer.error["errorType"]) == (True, "Function.DeadlineExceeded")
    assert_logged(caplog, ("ERROR", NEAR))
    app.gate.open()
    app.closed.wait()
    api.wait_for_polls(1)
