"""rest(): a thread blocks on a socket in the place of its event loop, only while that has nothing else to do."""

import asyncio
import os
import select
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from bridge._loop import OwnLoop, rest

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def on_own_loop(main: Callable[[], Awaitable[bool]]) -> bool:
    async def run() -> bool:
        return await main()

    loop = OwnLoop()
    try:
        return loop.run(run())
    finally:
        loop.close()


def test_it_waits_until_the_socket_can_be_read(pair: Pair) -> None:
    ours, theirs = pair

    async def main() -> bool:
        threading.Timer(0.05, theirs.send, [b"x"]).start()
        return rest(ours, select.POLLIN) and ours.recv(10) == b"x"

    assert on_own_loop(main)


def test_it_waits_until_the_socket_can_be_written(pair: Pair) -> None:
    ours, theirs = pair
    with suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))

    def read() -> None:
        while theirs.recv(1 << 20):
            pass

    async def main() -> bool:
        reader = threading.Thread(target=read)
        reader.start()
        done = rest(ours, select.POLLOUT)
        ours.close()
        reader.join()
        return done

    assert on_own_loop(main)


def test_it_does_not_wait_while_a_task_can_run(pair: Pair) -> None:
    async def main() -> bool:
        ran = asyncio.Event()
        task = asyncio.create_task(ran.wait())
        rested = rest(pair[0], select.POLLIN)
        ran.set()
        await task
        return rested

    assert not on_own_loop(main)


def test_it_does_not_wait_while_a_timer_is_set_but_one_that_is_cancelled_is_none(pair: Pair) -> None:
    ours, theirs = pair

    async def main() -> bool:
        timer = asyncio.get_running_loop().call_later(3600, print)
        assert not rest(ours, select.POLLIN)
        timer.cancel()
        theirs.send(b"x")
        return rest(ours, select.POLLIN)

    assert on_own_loop(main)


def test_it_does_not_wait_while_the_loop_watches_a_socket_of_the_applications(pair: Pair) -> None:
    ours, theirs = pair

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        other, far = socket.socketpair()
        with other, far:
            loop.add_reader(other, print)
            assert not rest(ours, select.POLLIN)
            loop.remove_reader(other)
            theirs.send(b"x")
            return rest(ours, select.POLLIN)

    assert on_own_loop(main)


def test_a_call_from_another_thread_ends_it(pair: Pair) -> None:
    async def main() -> bool:
        called = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = threading.Timer(0.05, loop.call_soon_threadsafe, [called.set])
        thread.start()
        rested = rest(pair[0], select.POLLIN)
        await called.wait()
        thread.join()
        return rested

    assert not on_own_loop(main)


def test_a_signal_ends_it_for_whoever_has_a_handler_on_the_loop(pair: Pair) -> None:
    async def main() -> bool:
        came = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
        thread = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])
        thread.start()
        rested = rest(pair[0], select.POLLIN)
        await came.wait()
        thread.join()
        return rested

    before = signal.getsignal(signal.SIGUSR1)
    try:
        assert not on_own_loop(main)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_loop_that_is_not_the_handlers_own_is_never_replaced(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")

    async def main() -> bool:
        return rest(ours, select.POLLIN)

    assert asyncio.run(main()) is False
