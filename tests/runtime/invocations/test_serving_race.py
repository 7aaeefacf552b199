"""SIGTERM in the very moment in which the next invocation arrives: that invocation is answered, whichever is first.

In the test's own process, where the moment can be hit each time.
"""

import asyncio
import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from bridge.runtime.invocations.blocking import BlockingSlot
from bridge.runtime.invocations.serving import serve, serve_alone
from bridge.runtime.invocations.slots import Slot
from bridge.runtime.invocations.targets import FunctionTarget
from bridge.runtime.invocations.waker import Waker
from tests.runtime.double import LIMIT, Invocation, RuntimeDouble
from tests.runtime.slots import Slots

pytestmark = pytest.mark.usefixtures("default_sigterm")


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
def test_on_an_event_loop(api: RuntimeDouble, slots: Slots, order: str, count: int, turns: int) -> None:
    """`turns`: of the event loop that lie between the two."""

    async def answer(event: Any, context: Any) -> Any:
        return event

    async def main() -> Invocation:
        means = slots.means(count)
        serving = asyncio.create_task(serve([Slot(FunctionTarget(answer), each) for each in means]))
        await asyncio.to_thread(api.wait_for_polls, count)
        sockets = [each.connection.sock for each in means]
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
    assert slots.reports == []
    api.wait_until_left()


def before_the_wait(waker: Waker, monkeypatch: pytest.MonkeyPatch, step: Callable[[socket.socket], object]) -> None:
    """Have `step` called in the moment before each wait for a socket."""
    block = waker.block

    def step_and_block(sock: socket.socket, want: int) -> None:
        step(sock)
        block(sock, want)

    monkeypatch.setattr(waker, "block", step_and_block)


def echo(event: Any, context: Any) -> Any:
    return event


@orders
def test_in_the_main_thread(
    api: RuntimeDouble, slots: Slots, waker: Waker, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    invocations: list[Invocation] = []
    before_the_wait(waker, monkeypatch, lambda sock: invocations.append(both(api, [sock], order)))
    serve_alone(BlockingSlot(echo, *slots.means()), waker)
    (invocation,) = invocations
    assert invocation.answer().json == "x"
    api.wait_until_left()


def test_a_signal_before_the_wait_ends_it_in_the_main_thread(
    api: RuntimeDouble, slots: Slots, waker: Waker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_wait(waker, monkeypatch, lambda sock: os.kill(os.getpid(), signal.SIGTERM))
    serve_alone(BlockingSlot(echo, *slots.means()), waker)
    api.wait_until_left()


def test_after_the_signal_a_function_in_the_main_thread_is_the_last(
    api: RuntimeDouble, slots: Slots, waker: Waker
) -> None:
    def answer(event: Any, context: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return event

    invocation = api.invoke("x")
    serve_alone(BlockingSlot(answer, *slots.means()), waker)
    assert invocation.answer().json == "x"
    assert [request.path.rpartition("/")[2] for request in api.requests] == ["next", "response"]
    api.wait_until_left()
