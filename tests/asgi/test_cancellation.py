"""Who cancelled a task: its owner, or the application that runs in it."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from bridge.asgi.cancellation import TaskOwner, is_asked_to_cancel, takes_own_cancellation
from bridge.asgi.tasks import in_own_task

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio: on trio a task cannot be cancelled, only a scope."""
    return "asyncio"


def own_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task


async def asked_when_cancelled(cancel: Callable[[], object]) -> bool:
    """Return what `is_asked_to_cancel` says once the cancellation has arrived."""
    cancel()
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return is_asked_to_cancel()
    raise AssertionError("not reached")


async def run(owner: TaskOwner, function: Callable[[], Awaitable[object]]) -> object:
    async def call() -> object:
        return await function()

    try:
        return await owner.create_task(asyncio.get_running_loop(), call())
    finally:
        owner.forget()


async def test_in_a_task_with_an_owner_its_cancellations_alone_are_from_outside() -> None:
    loop = asyncio.get_running_loop()
    assert await run(TaskOwner(), lambda: asked_when_cancelled(lambda: own_task().cancel())) is False
    assert await run(TaskOwner(), lambda: asked_when_cancelled(lambda: loop.call_soon(own_task().cancel))) is False
    owner = TaskOwner()
    assert await run(owner, lambda: asked_when_cancelled(lambda: loop.call_soon(owner.cancel))) is True


async def test_in_a_task_without_an_owner_every_request_counts_and_a_bare_exception_does_not() -> None:
    async def in_a_child_of_an_owned_task() -> bool:
        """A task inherits the context, but not the owner."""
        return await asyncio.create_task(asked_when_cancelled(lambda: own_task().cancel()))

    assert await asyncio.create_task(asked_when_cancelled(lambda: own_task().cancel())) is True
    assert await run(TaskOwner(), in_a_child_of_an_owned_task) is True
    assert is_asked_to_cancel() is False


async def test_a_cancellation_that_did_not_arrive_is_taken_once() -> None:
    async def cancel_and_take() -> list[object]:
        own_task().cancel()
        return [await takes_own_cancellation(), own_task().cancelling(), await takes_own_cancellation()]

    async def one_that_arrived() -> bool:
        await asked_when_cancelled(lambda: own_task().cancel())
        return await takes_own_cancellation()

    assert await run(TaskOwner(), cancel_and_take) == [True, 0, False]
    assert await run(TaskOwner(), one_that_arrived) is False


async def test_a_cancellation_from_outside_is_not_taken() -> None:
    owner = TaskOwner()

    async def cancelled_from_outside() -> None:
        owner.cancel()
        assert await takes_own_cancellation() is False
        await asyncio.sleep(3600)

    with pytest.raises(asyncio.CancelledError):
        await run(owner, cancelled_from_outside)


async def test_a_task_of_its_own_gives_its_result_and_raises_what_it_raises() -> None:
    async def result() -> str:
        return own_task().get_name()

    async def fail(error: BaseException) -> None:
        raise error

    assert await in_own_task(result, name="its name") == "its name"
    for error in (ValueError("oops"), SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            await in_own_task(lambda error=error: fail(error), name="fails")  # type: ignore[misc]
        assert caught.value is error


@pytest.mark.parametrize("by_a_scope", [False, True])
async def test_what_cancels_the_caller_cancels_it_and_is_from_outside(by_a_scope: bool) -> None:
    asked: list[bool] = []
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        try:
            await asyncio.sleep(3600)
        finally:
            asked.append(is_asked_to_cancel())

    scope = anyio.CancelScope()

    async def call() -> None:
        with scope:
            await in_own_task(work, name="work")

    task = asyncio.create_task(call())
    await running.wait()
    if by_a_scope:
        scope.cancel()
        await task
        assert scope.cancelled_caught
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asked == [True]


async def test_cleaning_up_after_one_cancellation_is_not_cut_off() -> None:
    steps: list[str] = []
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.2)
            steps.append("rolled back")

    task = asyncio.create_task(in_own_task(work, name="work"))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["rolled back"]
