"""What the tests of event loops and threads share."""

import asyncio
import threading

from bridge._loop import OwnLoop
from bridge.errors import LoopClosedError

__all__ = ["TIMEOUT", "Gate", "running_loop", "until_refused", "value"]

TIMEOUT = 30  # seconds for what another thread has to do


class Gate:
    """A place in a coroutine at which it waits until another thread lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    async def wait(self) -> None:
        self.reached.set()
        await asyncio.to_thread(self.opened.wait, TIMEOUT)


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def value(result: object) -> object:
    await asyncio.sleep(0)
    return result


def until_refused(own: OwnLoop) -> None:
    """Wait until a close() in another thread has begun."""
    pause = threading.Event()
    while True:
        try:
            own.check_callable()
        except LoopClosedError:
            return
        pause.wait(0.001)
