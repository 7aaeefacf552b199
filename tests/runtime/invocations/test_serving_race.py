"""SIGTERM in the very moment in which the next invocation arrives: that invocation is answered, whichever is first.

In the test's own process, where the moment can be hit each time.
"""

import asyncio
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.invocations.answer import Means
from bridge.runtime.invocations.blocking import BlockingSlot
from bridge.runtime.invocations.deadline import Limits
from bridge.runtime.invocations.serving import serve, serve_alone
from bridge.runtime.invocations.slots import Slot
from bridge.runtime.invocations.targets import FunctionTarget
from bridge.runtime.invocations.waker import Waker
from tests.runtime.double import LIMIT, Invocation, RuntimeDouble
from tests.runtime.slots import FUNCTION


class Output:
    """Takes no error."""

    def report(self, document: dict[str, Any]) -> None:
        pytest.fail(f"an error was reported: {document}")

    def flush(self) -> None:
        """Do nothing: nothing is printed here."""


@pytest.fixture(autouse=True)
def _sigterm() -> Iterator[None]:
    """Restore SIGTERM's handler after the test. An unhandled SIGTERM must end the test, and not all tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def connect(api: RuntimeDouble) -> Connection:
    return Connection(parse_address(api.address), user_agent="test")


def both(api: RuntimeDouble, sockets: list[socket.socket], order: str) -> Invocation:
    """An invocation has arrived, unread, and SIGTERM too."""
    if order == "signal first":
        os.kill(os.getpid(), signal.SIGTERM)
    invocation = api.invoke("x")
    assert select.select(sockets, [], [], LIMIT)[0]
    if order == "invocation first":
        os.kill(os.getpid(), signal.SIGTERM)
    return invocation


orders = pytest.mark.parametrize("order", ["signal first", "invocation first"])


@orders
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("turns", [0, 1, 3])
def test_on_an_event_loop(api: RuntimeDouble, order: str, count: int, turns: int) -> None:
    """`turns`: of the event loop that lie between the two."""

    async def answer(event: Any, context: Any) -> Any:
        return event

    async def main() -> Invocation:
        connections = [connect(api) for _ in range(count)]
        means = [Means(each, FunctionTarget(answer), Limits(0.25), Output()) for each in connections]
        slots = [Slot(each, function=FUNCTION, is_alone=count == 1) for each in means]
        serving = asyncio.create_task(serve(slots))
        await asyncio.to_thread(api.wait_for_polls, count)
        sockets = [connection.sock for connection in connections]
        if turns and order == "signal first":
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(turns - 1):
                await asyncio.sleep(0)
            if api.open_polls < count:  # it had ended before anything came
                await serving
                return api.invoke("x", may_stay_unanswered=True)
        invocation = both(api, sockets, order if turns == 0 else "nothing")
        if turns and order == "invocation first":
            for _ in range(turns - 1):
                await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGTERM)
        await serving
        return invocation

    invocation = asyncio.run(main())
    if invocation.handed_out_at:
        assert invocation.answer().json == "x"
    api.wait_until_left()


Block = Callable[[socket.socket, int], None]


def blocking_slot(api: RuntimeDouble, function: Callable[[Any, Any], object], block: Block) -> BlockingSlot:
    options: dict[str, Any] = {"margin": 0.25, "output": Output(), "watchdog": None, "function": FUNCTION}
    return BlockingSlot(connect(api), function, block=block, is_alone=True, **options)


@orders
def test_in_the_main_thread(api: RuntimeDouble, order: str) -> None:
    waker, invocations = Waker(), []

    def block(sock: socket.socket, want: int) -> None:
        """The moment before the wait."""
        invocations.append(both(api, [sock], order))
        waker.block(sock, want)

    def answer(event: Any, context: Any) -> Any:
        return event

    serve_alone(blocking_slot(api, answer, block), waker)
    waker.close()
    (invocation,) = invocations
    assert invocation.answer().json == "x"
    api.wait_until_left()


def test_a_signal_before_the_wait_ends_it_in_the_main_thread(api: RuntimeDouble) -> None:
    waker = Waker()

    def block(sock: socket.socket, want: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        waker.block(sock, want)

    serve_alone(blocking_slot(api, print, block), waker)
    waker.close()
    api.wait_until_left()


def test_after_the_signal_a_function_in_the_main_thread_is_the_last(api: RuntimeDouble) -> None:
    def answer(event: Any, context: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return event

    waker = Waker()
    invocation = api.invoke("x")
    serve_alone(blocking_slot(api, answer, waker.block), waker)
    waker.close()
    assert invocation.answer().json == "x"
    assert [request.path.rpartition("/")[2] for request in api.requests] == ["next", "response"]
    api.wait_until_left()
