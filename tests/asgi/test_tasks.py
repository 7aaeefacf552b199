"""A task of the application's own, which its owner waits for, on asyncio and on trio."""

import asyncio
from contextvars import ContextVar

import anyio
import pytest

from bridge.asgi.tasks import ApplicationTask

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


async def test_it_runs_beside_its_owner_under_its_name() -> None:
    names: list[str | None] = []

    async def run() -> None:
        names.append(anyio.get_current_task().name)

    task = ApplicationTask(run, name="bridge test")
    assert (names, task.done.is_set()) == ([], False)
    await task.done.wait()
    assert (names, task.error, task.cancelled) == (["bridge test"], None, False)


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_what_it_raises_is_kept_for_its_owner(error: BaseException) -> None:
    async def run() -> None:
        raise error

    task = ApplicationTask(run, name="bridge test")
    await task.done.wait()
    assert task.error is error
    assert not task.cancelled


async def test_its_owner_can_cancel_it() -> None:
    steps: list[str] = []

    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("ended")

    task = ApplicationTask(run, name="bridge test")
    await anyio.wait_all_tasks_blocked()
    await task.cancel_and_wait()
    assert (steps, task.error, task.cancelled, task.done.is_set()) == (["ended"], None, True, True)


async def test_it_can_be_cancelled_before_its_first_step() -> None:
    reached: list[str] = []

    async def run() -> None:
        await anyio.sleep_forever()
        reached.append("the end")

    task = ApplicationTask(run, name="bridge test")
    await task.cancel_and_wait()
    assert (reached, task.error, task.cancelled) == ([], None, True)


async def test_an_error_on_the_way_out_of_a_cancellation_is_kept() -> None:
    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("cleaning up failed")

    task = ApplicationTask(run, name="bridge test")
    await anyio.wait_all_tasks_blocked()
    await task.cancel_and_wait()
    assert repr(task.error) == "ValueError('cleaning up failed')"


async def test_an_owner_that_is_being_cancelled_still_waits_for_its_end() -> None:
    steps: list[str] = []

    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            steps.append("task ended")

    task = ApplicationTask(run, name="bridge test")
    await anyio.wait_all_tasks_blocked()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await task.cancel_and_wait()
    steps.append("owner goes on")
    assert steps == ["task ended", "owner goes on"]


async def test_cancelling_it_when_it_has_ended_changes_nothing() -> None:
    async def run() -> None:
        raise ValueError("oops")

    task = ApplicationTask(run, name="bridge test")
    await task.done.wait()
    await task.cancel_and_wait()
    assert repr(task.error) == "ValueError('oops')"


async def test_it_is_outside_its_owners_cancel_scopes() -> None:
    deadlines: list[float] = []

    async def run() -> None:
        deadlines.append(anyio.current_effective_deadline())

    with anyio.fail_after(30):
        await ApplicationTask(run, name="bridge test").done.wait()
    assert deadlines == [float("inf")]


async def test_it_sees_its_owners_context_variables_and_keeps_its_own() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    seen: list[str] = []

    async def run() -> None:
        seen.append(variable.get())
        variable.set("the task's")

    variable.set("the owner's")
    await ApplicationTask(run, name="bridge test").done.wait()
    assert (seen, variable.get()) == (["the owner's"], "the owner's")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_its_end_is_seen_even_if_asyncio_cancels_it_before_its_first_step() -> None:
    async def run() -> None:
        raise AssertionError("It must not run.")

    before = asyncio.all_tasks()
    task = ApplicationTask(run, name="bridge test")
    (made,) = asyncio.all_tasks() - before
    made.cancel()
    with anyio.move_on_after(30):
        await task.done.wait()
    assert task.done.is_set()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_one_that_passes_its_cancellation_over_is_cancelled_again() -> None:
    cancellations: list[int] = []

    async def run() -> None:
        for number in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations.append(number)

    task = ApplicationTask(run, name="bridge test")
    await anyio.wait_all_tasks_blocked()
    await task.cancel_and_wait()
    assert (cancellations, task.error, task.cancelled) == ([0, 1, 2], None, True)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cleaning_up_is_not_cut_off_by_what_waits_for_it() -> None:
    steps: list[str] = []

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    task = ApplicationTask(run, name="bridge test")
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await task.cancel_and_wait()
    assert (steps, task.error) == (["cleaned up"], None)
