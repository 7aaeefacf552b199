"""The handler's own event loop: whoever calls drives it, and several threads share it."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bridge._loop import OwnLoop
from bridge.errors import LoopClosedError, RunningLoopError

pytestmark = pytest.mark.usefixtures("nothing_unclosed")

TIMEOUT = 10


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    own = OwnLoop()
    yield own
    own.close()


@pytest.fixture
def in_thread() -> Iterator[Callable[..., "Future[Any]"]]:
    """Call something in a thread of its own, and look at the outcome when it is wanted."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads.submit


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def value(result: object) -> object:
    await asyncio.sleep(0)
    return result


def wait_until_closed(own: OwnLoop) -> None:
    """Until a close() under way has begun: from then on calls are refused."""
    while True:
        try:
            own.check_callable()
        except LoopClosedError:
            return


def test_a_call_gets_the_result_of_its_coroutine(own: OwnLoop) -> None:
    assert own.run(value("result")) == "result"


def test_a_call_raises_what_its_coroutine_raised(own: OwnLoop) -> None:
    async def fail() -> None:
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        own.run(fail())
    assert own.run(value(1)) == 1


def test_every_call_is_on_the_same_loop_whichever_thread_makes_it(
    own: OwnLoop, in_thread: Callable[..., "Future[Any]"]
) -> None:
    loops = {own.run(running_loop()), own.run(running_loop())}
    loops |= {in_thread(own.run, running_loop()).result(TIMEOUT) for _ in range(3)}
    assert len(loops) == 1


def test_the_ambient_loop_is_neither_used_nor_changed(own: OwnLoop) -> None:
    ambient = asyncio.new_event_loop()
    asyncio.set_event_loop(ambient)
    try:
        assert own.run(running_loop()) is not ambient
        assert asyncio.get_event_loop_policy().get_event_loop() is ambient
    finally:
        asyncio.set_event_loop(None)
        ambient.close()


def test_it_survives_asyncio_run_before_and_after(own: OwnLoop) -> None:
    asyncio.run(value(None))
    loop = own.run(running_loop())
    asyncio.run(value(None))
    assert own.run(running_loop()) is loop


def test_calls_from_several_threads_overlap(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    arrived: list[int] = []
    all_here = asyncio.Event()

    async def meet(number: int) -> int:
        arrived.append(number)
        if len(arrived) == 8:
            all_here.set()
        await all_here.wait()
        return number

    calls = [in_thread(own.run, meet(number)) for number in range(8)]
    assert [call.result(TIMEOUT) for call in calls] == list(range(8))


def test_a_thread_that_leaves_hands_the_driving_on(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    follower_is_here = asyncio.Event()
    release = asyncio.Event()
    waiting = threading.Event()

    async def lead() -> asyncio.AbstractEventLoop:
        waiting.set()
        await follower_is_here.wait()
        return asyncio.get_running_loop()

    async def follow() -> str:
        follower_is_here.set()
        await release.wait()
        await asyncio.sleep(0.001)  # A timer too needs somebody who drives.
        return "followed"

    leader = in_thread(own.run, lead())
    assert waiting.wait(TIMEOUT)
    followers = [in_thread(own.run, follow()) for _ in range(3)]
    loop = leader.result(TIMEOUT)
    assert not any(follower.done() for follower in followers)
    loop.call_soon_threadsafe(release.set)
    assert [follower.result(TIMEOUT) for follower in followers] == ["followed"] * 3


def test_many_short_calls_from_many_threads_all_end(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    def calls(start: int) -> list[object]:
        return [own.run(value(number)) for number in range(start, start + 200)]

    threads = [in_thread(calls, start) for start in range(0, 1600, 200)]
    assert [number for thread in threads for number in thread.result(30)] == list(range(1600))


def test_a_followers_exception_is_the_followers_alone(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    failed = asyncio.Event()
    waiting = threading.Event()

    async def lead() -> str:
        waiting.set()
        await failed.wait()
        return "led"

    async def fail() -> None:
        failed.set()
        raise ValueError("oops")

    leader = in_thread(own.run, lead())
    assert waiting.wait(TIMEOUT)
    follower = in_thread(own.run, fail())
    assert isinstance(follower.exception(TIMEOUT), ValueError)
    assert leader.result(TIMEOUT) == "led"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_one_threads_call_hangs_nobody(
    own: OwnLoop, in_thread: Callable[..., "Future[Any]"], error: type[BaseException]
) -> None:
    arrived: list[str] = []
    all_here = asyncio.Event()
    waiting = threading.Event()

    async def meet(name: str) -> str:
        arrived.append(name)
        waiting.set()
        if len(arrived) == 3:
            all_here.set()
        await all_here.wait()
        if name == "exits":
            raise error(name)
        return name

    def call(name: str) -> object:
        try:
            return own.run(meet(name))
        except BaseException as exc:
            return type(exc)

    leader = in_thread(call, "leader")
    assert waiting.wait(TIMEOUT)
    exits, follower = in_thread(call, "exits"), in_thread(call, "follower")
    assert exits.result(TIMEOUT) is error
    # The loop may have been the leader's to drive: then the exit went through its call too, but did not hang it.
    assert leader.result(TIMEOUT) in ("leader", error)
    assert follower.result(TIMEOUT) == "follower"
    assert own.run(value("goes on")) == "goes on"


def test_a_loop_that_is_stopped_from_inside_goes_on_until_the_call_is_done(own: OwnLoop) -> None:
    async def stop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.001)
        return "done"

    assert own.run(stop()) == "done"
    assert own.run(value("again")) == "again"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_is_no_exception_comes_out_and_the_loop_goes_on(own: OwnLoop, error: type[BaseException]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        own.run(fail())
    assert own.run(value("goes on")) == "goes on"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_some_task_beside_ends_the_call_and_its_coroutine(own: OwnLoop, error: type[BaseException]) -> None:
    ended: list[bool] = []

    async def fail() -> None:
        raise error

    async def call() -> None:
        beside = asyncio.create_task(fail())
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(beside.done() and beside.exception() is not None)

    with pytest.raises(error):
        own.run(call())
    assert ended == [True]
    assert own.run(value("goes on")) == "goes on"


def test_control_c_ends_the_call_and_its_coroutine(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    waiting = threading.Event()
    ended: list[bool] = []

    async def call() -> None:
        try:
            waiting.set()
            while True:  # noqa: ASYNC110 - a signal that comes just before select() blocks is seen when it returns
                await asyncio.sleep(0.01)
        finally:
            ended.append(True)

    def interrupt() -> None:
        assert waiting.wait(TIMEOUT)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        own.run(call())
    interrupting.result(TIMEOUT)
    assert ended == [True]
    assert own.run(value("goes on")) == "goes on"


def test_a_call_inside_a_running_loop_is_refused_with_the_way_out(own: OwnLoop) -> None:
    async def inside() -> None:
        own.check_callable()

    with pytest.raises(RunningLoopError) as caught:
        asyncio.run(inside())
    assert str(caught.value) == (
        "handler(event, context) was called inside a running event loop, where it would block the loop. "
        "Use 'await handler.handle(event, context)' there."
    )


def test_a_call_inside_the_loop_itself_is_refused_too(own: OwnLoop) -> None:
    async def inside() -> None:
        own.check_callable()

    with pytest.raises(RunningLoopError):
        own.run(inside())


def test_it_knows_whether_the_caller_runs_on_it(own: OwnLoop) -> None:
    async def inside() -> bool:
        return own.is_running_here

    assert own.is_running_here is False
    assert own.run(inside()) is True
    assert asyncio.run(inside()) is False


def test_closing_it_ends_what_still_runs_on_it(own: OwnLoop) -> None:
    steps: list[str] = []
    tasks: list[asyncio.Task[None]] = []
    generators: list[AsyncIterator[int]] = []

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            steps.append("task")

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            steps.append("generator")

    async def call() -> None:
        tasks.append(asyncio.create_task(background()))
        generators.append(generate())
        await anext(generators[0])
        await asyncio.sleep(0)

    own.run(call())
    assert steps == []
    own.close()
    assert steps == ["task", "generator"]
    assert tasks[0].cancelled()


def test_a_closed_loop_refuses_calls_and_may_be_closed_again(own: OwnLoop) -> None:
    own.run(value(None))
    own.close()
    own.close()
    with pytest.raises(LoopClosedError) as caught:
        own.check_callable()
    assert str(caught.value) == "The handler was closed: make a new one to go on serving."


def test_a_loop_that_nobody_used_can_be_closed(own: OwnLoop) -> None:
    own.close()
    with pytest.raises(LoopClosedError):
        own.check_callable()


def test_closing_waits_for_the_calls_of_other_threads(own: OwnLoop, in_thread: Callable[..., "Future[Any]"]) -> None:
    here = threading.Barrier(3)
    release: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]
    loops: list[asyncio.AbstractEventLoop] = []

    async def call(number: int) -> int:
        loops.append(asyncio.get_running_loop())
        asyncio.get_running_loop().run_in_executor(None, here.wait, TIMEOUT)
        await release[number].wait()
        return number

    first, second = (in_thread(own.run, call(number)) for number in range(2))
    here.wait(TIMEOUT)
    closing = in_thread(own.close)
    wait_until_closed(own)
    loops[0].call_soon_threadsafe(release[0].set)
    assert first.result(TIMEOUT) == 0
    loops[0].call_soon_threadsafe(release[1].set)
    assert second.result(TIMEOUT) == 1
    assert closing.result(TIMEOUT) is None
