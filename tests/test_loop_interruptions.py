"""Ctrl-C and its like may come between any two steps of a call: the next call works all the same."""

import asyncio
import logging
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bridge import _loop
from bridge._loop import OwnLoop

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

TIMEOUT = 10

# Interrupts calls that follow each other closely, at moments that differ. Python loses an interruption that comes in a
# callback of its garbage collector, so the timer goes on. A call that hangs ends the process with all its tracebacks.
INTERRUPTED = """
import faulthandler, random, signal
from bridge import _loop

_loop.INTERRUPT_GRACE = 0.01
armed = False

def interrupt(signum, frame):
    if armed:
        raise KeyboardInterrupt

async def call():
    return 1

signal.signal(signal.SIGALRM, interrupt)
moments = random.Random(1)
own = _loop.OwnLoop()
for number in range(300):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, moments.uniform(5e-5, 1e-3), 0.05)
        while True:
            own.run(call())
    except KeyboardInterrupt:
        armed = False
    faulthandler.dump_traceback_later(5, exit=True)
    assert own.run(call()) == 1, number
    faulthandler.cancel_dump_traceback_later()
    assert not own.is_driven, number
signal.setitimer(signal.ITIMER_REAL, 0)
own.close()
print("every next call worked")
"""


@pytest.fixture
def in_thread() -> Iterator[Callable[..., "Future[Any]"]]:
    with ThreadPoolExecutor() as threads:
        yield threads.submit


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_control_c_at_any_moment_of_a_call_leaves_the_next_call_working(
    run_python: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_python(INTERRUPTED)
    assert (done.returncode, done.stdout) == (0, "every next call worked\n"), done.stderr[-2000:]


def test_a_call_that_will_not_end_after_an_interruption_is_given_up_for_a_fresh_loop(
    in_thread: Callable[..., "Future[Any]"], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_loop, "INTERRUPT_GRACE", 0.05)
    own = OwnLoop()
    waiting = threading.Event()
    release = False
    kept: list[asyncio.Task[Any]] = []
    stubborn: list[bool] = []

    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        kept.append(task)
        waiting.set()
        while not release:  # It takes no notice of any cancellation.
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                stubborn.append(True)

    def interrupt() -> None:
        assert waiting.wait(TIMEOUT)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    left = own.run(running_loop())
    interrupting = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        own.run(call())
    interrupting.result(TIMEOUT)
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("bridge", logging.ERROR, "A call did not end within 0.05 s of its interruption: its event loop is left.")
    ]
    assert own.run(running_loop()) is not left
    own.close()
    release = True  # What was left is ended here, by hand.
    while not kept[0].done():
        left.run_forever()
    left.close()
    assert stubborn == [True]
