"""Calls of synchronous code while the event loop of the same thread is stopped."""

import asyncio
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest

from bridge._loop import OwnLoop
from bridge._outside import outcome_of, outside_calls_here, result_of


def test_a_call_runs_in_the_thread_of_the_loop_and_not_in_the_loop(own: OwnLoop) -> None:
    def function() -> tuple[int, str]:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            return 0, "in a loop"
        return threading.get_ident(), asyncio.run(asyncio.sleep(0, "another loop"))

    async def main() -> tuple[int, str]:
        return await own.outside.call(function)

    assert own.run(main()) == (threading.get_ident(), "another loop")


def test_calls_of_several_tasks_take_turns(own: OwnLoop) -> None:
    steps: list[str] = []

    async def task(name: str) -> None:
        for number in range(3):
            await own.outside.call(lambda: steps.append(f"{name}{number}"))  # noqa: B023

    async def main() -> None:
        await asyncio.gather(task("a"), task("b"))

    own.run(main())
    assert steps == ["a0", "b0", "a1", "b1", "a2", "b2"]


@pytest.mark.parametrize("kind", [ValueError, StopAsyncIteration, SystemExit, KeyboardInterrupt])
def test_what_a_call_raises_is_raised(own: OwnLoop, kind: type[BaseException]) -> None:
    def function() -> None:
        raise kind("own")

    async def main() -> None:
        await own.outside.call(function)

    with pytest.raises(kind, match="own"):
        own.run(main())


def test_a_stop_iteration_is_no_end_of_the_coroutine(own: OwnLoop) -> None:
    async def main() -> None:
        await own.outside.call(lambda: next(iter(())))

    with pytest.raises(RuntimeError, match="StopIteration"):
        own.run(main())


def test_a_call_that_was_cancelled_before_it_ran_is_left_out(own: OwnLoop) -> None:
    called: list[str] = []

    async def main() -> None:
        task = asyncio.ensure_future(own.outside.call(lambda: called.append("second")))
        first = asyncio.ensure_future(own.outside.call(lambda: called.append("first")))
        await asyncio.sleep(0)
        await asyncio.wait([first, task])
        late = asyncio.ensure_future(own.outside.call(lambda: called.append("never")))
        asyncio.get_running_loop().call_soon(late.cancel)
        await asyncio.wait([late])

    own.run(main())
    assert called == ["second", "first"]


def test_the_calls_are_offered_only_to_code_that_runs_on_the_loop(own: OwnLoop) -> None:
    other = OwnLoop()
    seen: dict[str, Any] = {}

    def outside() -> None:
        other.run(elsewhere("nested"))
        asyncio.run(elsewhere("elsewhere"))

    async def elsewhere(name: str) -> None:
        seen[name] = outside_calls_here()

    async def main() -> None:
        seen["on it"] = outside_calls_here()
        await own.outside.call(outside)
        seen["after"] = outside_calls_here()
        await asyncio.to_thread(asyncio.run, elsewhere("thread"))

    own.run(main())
    other.close()
    asyncio.run(elsewhere("end"))
    assert seen == {
        "on it": own.outside,
        "nested": other.outside,
        "elsewhere": None,
        "after": own.outside,
        "thread": None,
        "end": None,
    }


def test_an_outcome_keeps_a_result_or_an_error() -> None:
    context: ContextVar[int] = ContextVar("context")
    assert result_of(outcome_of(lambda: 5)) == 5
    with pytest.raises(LookupError):
        result_of(outcome_of(context.get))
