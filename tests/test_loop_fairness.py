"""Nothing on the handler's loop is kept waiting by calls that follow each other without ever waiting themselves."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bridge._loop import OwnLoop

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

TIMEOUT = 10


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    own = OwnLoop()
    yield own
    own.close()


@pytest.fixture
def in_thread() -> Iterator[Callable[..., "Future[Any]"]]:
    with ThreadPoolExecutor() as threads:
        yield threads.submit


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def nothing() -> None:
    """A call that never gives the loop a turn."""


# More calls than a look at the sockets may be left out for.
SOON = 100


def test_a_socket_is_served_while_there_are_only_calls_that_never_wait(own: OwnLoop) -> None:
    reader, writer = socket.socketpair()
    received: list[bytes] = []

    async def listen() -> None:
        asyncio.get_running_loop().add_reader(reader, lambda: received.append(reader.recv(10)))

    async def stop() -> None:
        asyncio.get_running_loop().remove_reader(reader)

    with reader, writer:
        own.run(listen())
        for text in (b"one", b"two"):
            writer.send(text)
            for _ in range(SOON):
                own.run(nothing())
        own.run(stop())
    assert received == [b"one", b"two"]


def test_a_callback_of_another_thread_is_served_while_there_are_only_calls_that_never_wait(
    own: OwnLoop, in_thread: Callable[..., "Future[Any]"]
) -> None:
    called: list[int] = []
    loop = own.run(running_loop())
    for number in range(3):
        in_thread(loop.call_soon_threadsafe, called.append, number).result(TIMEOUT)
        for _ in range(SOON):
            own.run(nothing())
    assert called == [0, 1, 2]


def test_a_signal_handler_of_the_loop_is_served_while_there_are_only_calls_that_never_wait(own: OwnLoop) -> None:
    called: list[int] = []

    async def listen() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, called.append, 1)

    async def stop() -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    own.run(listen())
    for _ in range(3):
        signal.raise_signal(signal.SIGUSR1)
        for _ in range(SOON):
            own.run(nothing())
    own.run(stop())
    assert called == [1, 1, 1]
