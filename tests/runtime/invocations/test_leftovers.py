"""The tasks that an invocation has started are noted for it, and for no other, however they come about."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bridge.runtime.invocations.leftovers import collect_tasks, is_left, names, started_tasks

Tasks = set[asyncio.Task[Any]]
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run() -> Run:
    """Run a coroutine on an event loop that collects, with a new set of tasks for whatever it starts."""

    def run_once(coroutine: Coroutine[Any, Any, None]) -> None:
        async def main() -> None:
            collect_tasks(asyncio.get_running_loop())
            await coroutine

        asyncio.run(main())

    return run_once


def invocation() -> Tasks:
    tasks: Tasks = set()
    started_tasks.set(tasks)
    return tasks


async def wait() -> None:
    await asyncio.Event().wait()


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)


def test_a_task_is_noted_until_it_ends(run: Run) -> None:
    async def main() -> None:
        tasks = invocation()
        task = asyncio.create_task(wait())
        assert tasks == {task}
        await end(task)
        assert tasks == set()

    run(main())


def test_what_a_task_starts_is_noted_where_the_task_was(run: Run) -> None:
    async def start_another() -> None:
        inner.append(asyncio.create_task(wait()))

    inner: list[asyncio.Task[None]] = []

    async def main() -> None:
        first = invocation()
        outer = asyncio.create_task(start_another())
        second = invocation()
        await outer
        await asyncio.sleep(0)
        assert first == set(inner)
        assert second == set()
        await end(*inner)

    run(main())


def test_outside_of_invocations_nothing_is_noted(run: Run) -> None:
    async def main() -> None:
        task = asyncio.create_task(wait())
        tasks = invocation()
        assert tasks == set()
        await end(task)

    run(main())


def test_every_way_to_start_a_task_counts(run: Run) -> None:
    async def main() -> None:
        tasks = invocation()
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            made = {
                group.create_task(wait()),
                loop.create_task(wait(), name="named"),
                asyncio.ensure_future(wait()),
                loop.create_task(wait(), context=contextvars.copy_context()),
            }
            gathered = asyncio.gather(wait())
            assert made < tasks
            assert len(tasks) == 5
            assert "named" in {task.get_name() for task in tasks}
            await end(*tasks)
        assert gathered.done()

    run(main())


def test_a_task_factory_of_the_applications_own_stays_in_place(run: Run) -> None:
    class Task(asyncio.Task[Any]):
        """Its own."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coroutine, **options: Task(coroutine, loop=loop, **options))
        collect_tasks(loop)
        tasks = invocation()
        task = asyncio.create_task(wait(), name="named")
        assert type(task) is Task
        assert task.get_name() == "named"
        assert tasks == {task}
        await end(task)

    run(main())


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python is older than 3.12")
def test_a_task_that_ends_before_it_is_noted_is_forgotten(run: Run) -> None:
    async def nothing() -> None:
        return None

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
        collect_tasks(loop)
        tasks = invocation()
        await asyncio.create_task(nothing())
        await asyncio.sleep(0)
        assert tasks == set()

    run(main())


def test_names_say_what_runs(run: Run) -> None:
    class Job:
        async def run(self) -> None:
            await wait()

    async def main() -> None:
        tasks = [asyncio.create_task(Job().run(), name="b"), asyncio.create_task(wait(), name="a")]
        assert names(tasks) == "a (wait), b (test_names_say_what_runs.<locals>.Job.run)"
        await end(*tasks)

    run(main())


# How a library's endless task looks: of a module and a function with these names.
LIBRARY = """
import asyncio

class AsyncPeriodicExecutor:
    async def _run(self):
        await asyncio.Event().wait()

async def _shutdown_watcher():
    await asyncio.Event().wait()
"""


def test_what_a_library_keeps_running_is_no_work_left_behind(run: Run) -> None:
    async def main() -> None:
        mongo: dict[str, Any] = {"__name__": "pymongo.periodic_executor"}
        starlette: dict[str, Any] = {"__name__": "sse_starlette.sse"}
        exec(LIBRARY, mongo)
        exec(LIBRARY, starlette)
        endless = [
            asyncio.create_task(mongo["AsyncPeriodicExecutor"]()._run()),
            asyncio.create_task(starlette["_shutdown_watcher"]()),
        ]
        work = [asyncio.create_task(mongo["_shutdown_watcher"]()), asyncio.create_task(wait())]
        assert [is_left(task) for task in endless + work] == [False, False, True, True]
        await asyncio.sleep(0)
        assert [is_left(task) for task in endless + work] == [False, False, True, True]
        await end(*endless, *work)
        assert [is_left(task) for task in endless + work] == [False, False, False, False]

    run(main())
