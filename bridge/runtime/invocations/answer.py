"""One invocation, from its event to the end of the application: its answer, its deadline, and the work after it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge import invocation as current
from bridge.errors import ClientDisconnected, DeadlineExceeded, ErrorStatus, ResultNotEncoded, ResultTooLarge
from bridge.runtime.api.payload import encode_result
from bridge.runtime.api.vocabulary import MAX_RESULT, result_headers
from bridge.runtime.invocations.leftovers import is_left, names, started_tasks
from bridge.runtime.invocations.posting import check_answer, document_of, error_answer, exit_in
from bridge.runtime.invocations.watchdog import time_left

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bridge.runtime.api.connection import Connection, Rest
    from bridge.runtime.api.http import Reply
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.context import LambdaContext
    from bridge.runtime.invocations.streaming import StreamedAnswer
    from bridge.runtime.invocations.targets import Target
    from bridge.runtime.invocations.watchdog import Watch, Watchdog

__all__ = ["Answering", "Limits"]

logger = logging.getLogger("bridge")

# What takes the place of a result: it went out as a stream, or there is none and the deadline is near.
_STREAMED, _LATE = object(), object()

# How long an application that was cancelled may clean up: as a part of the margin that is left then, because the answer
# has to be posted, too; and in seconds where there is no deadline, or the process ends.
GRACE_SHARE = 0.4
CANCEL_GRACE = 0.1

# How long an application may take to return once it has sent its response, in seconds, before it counts as working on.
RETURN_TIME = 0.01

# How long the event loop may do something else when a deadline is near, in seconds, before it counts as blocked: more
# than a busy machine takes, and less than the default margin.
BLOCKED_AFTER = 0.1


class Limits(NamedTuple):
    """`margin`: how long before its deadline an invocation is given up. `background`: how long work may go on after
    the answer; None is up to the deadline. In seconds.

    `report`: logs the document of an error. `flush`: writes out what the application has printed. `watchdog`: looks
    after what nothing can interrupt; None is nobody.
    """

    margin: float
    background: float | None
    report: Callable[[dict[str, Any]], None]
    flush: Callable[[], None]
    watchdog: Watchdog | None = None


class _Failure:
    """In the place of a result: what was raised. A future takes no CancelledError for an exception."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Answering:
    """Everything about one invocation. `result`: what the target gives; `streamed`: its stream, if it makes one."""

    __slots__ = (
        "_deadline",
        "_has_turned",
        "_is_cancelled",
        "_limits",
        "_loop",
        "_margin",
        "_rest",
        "_started",
        "_target",
        "_thread",
        "_timer",
        "_watch",
        "_work",
        "connection",
        "context",
        "event",
        "invocation",
        "result",
        "streamed",
    )

    def __init__(
        self,
        invocation: Invocation,
        event: Any,
        context: LambdaContext | None,
        *,
        connection: Connection,
        target: Target,
        limits: Limits,
        rest: Rest | None = None,
    ) -> None:
        self.invocation = invocation
        self.event = event
        self.context = context
        self.connection = connection
        self.streamed: StreamedAnswer | None = None
        self._target = target
        self._rest = rest
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.result: asyncio.Future[Any] = self._loop.create_future()
        self._work: asyncio.Task[None]
        self._started: set[asyncio.Task[Any]] = set()
        self._is_cancelled = False  # the work, by us
        self._timer: asyncio.TimerHandle | None = None
        self._watch: Watch | None = None
        self._has_turned = False  # the event loop, since the watchdog has asked for it
        # On the loop's clock; None if there is none.
        self._deadline: float | None = None
        self._margin = CANCEL_GRACE / GRACE_SHARE
        if invocation.deadline_ms:
            left, self._margin = time_left(invocation.deadline_ms, limits.margin)
            self._deadline = self._loop.time() + left

    async def serve(self) -> None:
        """Answer, and wait for the work behind the answer. Raises RuntimeApiGone."""
        started_tasks.set(self._started)
        current.deadline.set(self._deadline)
        self._work = self._loop.create_task(self._target.work(self), name="bridge invocation")
        self._started.discard(self._work)
        self._work.add_done_callback(self._worked)
        if self._deadline is not None:
            self._timer = self._loop.call_at(self._deadline, self._expire)
            self._start_watch()
        try:
            await self._answer()
            if not self._work.done() or self._started:
                await self._finish()
        except (Exception, asyncio.CancelledError):
            await self._cancel_work(CANCEL_GRACE)
            raise
        finally:
            self._end_watch()
            if self._timer is not None:
                self._timer.cancel()
            if self.result.done() and not self.result.cancelled():
                self.result.exception()  # retrieved, whoever was cancelled before
            if self.streamed is not None:
                self.streamed.close()

    # The result.

    def _worked(self, work: asyncio.Task[None]) -> None:
        """The target's work is at its end, whichever: what it raised fails the invocation, if that has no result."""
        error = _raised_by(work)
        ends_process = None if error is None else exit_in(error)
        if ends_process is not None:
            if ends_process is not error:
                raise ends_process  # out of the event loop, as asyncio does by itself with one that is in no group
        elif not self.result.done():
            self.result.set_result(_STREAMED if error is None else _Failure(error))
        elif error is not None and not isinstance(error, asyncio.CancelledError):
            when = "when it was cancelled" if self._is_cancelled else "after its answer"
            logger.error("The handler failed %s.", when, exc_info=error)

    def streamed_whole(self, reply: Reply) -> None:
        """The stream came to its clean end."""
        check_answer(reply)
        self.stream_lost()

    def stream_lost(self) -> None:
        """There is nothing left to answer: nobody reads the stream any more."""
        if not self.result.done():
            self.result.set_result(_STREAMED)

    def _expire(self) -> None:
        if not self.result.done():
            self.result.set_result(_LATE)

    # The answer.

    async def _answer(self) -> None:
        try:
            result = await self.result
        except Exception as exc:  # what the handler made of the response
            result = _Failure(exc)
        if self._timer is not None:
            self._timer.cancel()  # a loop without timers can rest while the answer is posted
        if result is _LATE:
            await self._give_up()
        elif isinstance(result, _Failure):
            await self.fail(result.error)
        elif result is not _STREAMED:
            await self._post(result)
        elif self.streamed is not None and self.streamed.is_gone:
            self._note_gone(self.streamed)

    async def _post(self, result: object) -> None:
        try:
            body = encode_result(result)
        except ResultNotEncoded as exc:
            return await self.fail(exc)
        if len(body) > MAX_RESULT:
            return await self._refuse_large(len(body))
        await self._send(body, is_json=not isinstance(result, bytes))
        return None

    async def _send(self, body: bytes, *, is_json: bool) -> None:
        headers = result_headers(self.invocation, body, is_json=is_json)
        path = self.invocation.response_path
        check_answer(await self.connection.request(b"POST", path, headers, body, rest=self._rest))

    async def _refuse_large(self, size: int) -> None:
        """The API would refuse it too, but tell the client less."""
        text = f"The result has {size} bytes as JSON, and Lambda takes {MAX_RESULT} at most."
        logger.error("%s The caller gets an error instead.", text)
        await self._stand_in(ResultTooLarge(text), 500, f"{text} Stream it, or send less.")

    async def _stand_in(self, exc: Exception, status_code: int, text: str) -> None:
        """A response of our own, if the caller understands one; else the invocation fails with `exc`."""
        try:
            stream = self._target.substitute_stream(self.event, status_code, text)
            result = self._target.substitute(self.event, status_code, text) if stream is None else None
            body = b"" if result is None else encode_result(result)
        except ErrorStatus as status:  # which is set to fail the invocation
            return await self.fail(status)
        except Exception as failure:  # of a source of the user's
            logger.error("There is no response to stand for the application's own.", exc_info=failure)
            return await self.fail(exc)
        if stream is not None:
            return await self._end_stream(self._stream_whole(*stream))
        return await (self._send(body, is_json=True) if 0 < len(body) <= MAX_RESULT else self.fail(exc))

    async def fail(self, exc: BaseException) -> None:
        """The invocation fails with `exc`, or its stream does in the middle. Raises RuntimeApiGone."""
        document = document_of(exc, self.invocation.request_id)
        self._limits.report(document)
        if self.streamed is not None and self.streamed.is_started:
            await self._end_stream(self.streamed.fail(document))
            return
        headers, body = error_answer(self.invocation, exc, document)
        check_answer(await self.connection.request(b"POST", self.invocation.error_path, headers, body))

    async def _end_stream(self, end: Awaitable[Reply]) -> None:
        """Wait for the end of the stream, which waits for whoever reads it: up to the deadline itself."""
        left = None if self._deadline is None else max(0.0, self._deadline + self._margin - self._loop.time())
        try:
            async with asyncio.timeout(left):
                check_answer(await end)
        except TimeoutError:
            logger.error("The rest of the stream was not read before the deadline: broken off.")
        except ClientDisconnected:
            assert self.streamed is not None
            self._note_gone(self.streamed)

    def _note_gone(self, streamed: StreamedAnswer) -> None:
        streamed.close()
        if streamed.reply is None:
            logger.info("The caller went away before the end of the stream.")
        else:
            check_answer(streamed.reply)

    # The deadline.

    async def _give_up(self) -> None:
        """The deadline is near: the client gets a 504, the log where the application stands, the application an end."""
        exc = DeadlineExceeded("There was no result, and the deadline is near.")
        self._log_stacks("There is no result, and the deadline of the invocation is near.")
        self._cancel()
        if self.streamed is None or not self.streamed.is_started:
            await self._stand_in(exc, 504, "")
        elif self.streamed.is_over:  # whole; only who reads it is not at its end
            await self._end_stream(self.streamed.replied())
        else:
            await self.fail(exc)

    async def _stream_whole(self, prelude: dict[str, Any], body: bytes) -> Reply:
        from bridge.runtime.invocations.streaming import StreamedAnswer

        self.streamed = streamed = StreamedAnswer(self.connection, self.invocation)
        await streamed.start(prelude)
        await streamed.send(body)
        return await streamed.finish()

    def _start_watch(self) -> None:
        """An application that blocks the event loop blocks its own deadline, too: then another thread tells."""
        if self._limits.watchdog is not None and self._deadline is not None:
            moment = time.time() + self._deadline - self._loop.time()
            self._watch = self._limits.watchdog.watch(moment, self._ask_for_a_turn)

    def _end_watch(self) -> None:
        self._has_turned = True
        if self._watch is not None and self._limits.watchdog is not None:
            self._limits.watchdog.leave(self._watch)
            self._watch = None  # which refers to this object

    def _ask_for_a_turn(self) -> None:
        """In the watchdog's thread: does the event loop run? It may well do, and the answer be under way."""
        assert self._limits.watchdog is not None
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._end_watch)
            self._watch = self._limits.watchdog.watch(time.time() + BLOCKED_AFTER, self._tell_blocked)

    def _tell_blocked(self) -> None:
        from bridge.runtime.log.stacks import describe_thread

        self._watch = None
        if not self._has_turned:
            stack = describe_thread(self._thread)
            logger.error(
                "The event loop is blocked, and the deadline of the invocation is near. Where it stands:\n%s", stack
            )

    # The work after the answer.

    async def _finish(self) -> None:
        """Wait for the application, and for tasks that it left behind, as long as there is time."""
        since = self._loop.time()
        if not self._is_cancelled and not await self._settle([self._work], since, at_least=RETURN_TIME):
            self._log_stacks("The application works on after its answer, and its time is over.")
        await self._cancel_work(self._margin * GRACE_SHARE)
        while left := {task for task in self._started if is_left(task)}:  # which may start others
            if not await self._settle(left, since):
                _warn_of(left)
                return

    async def _settle(self, tasks: Iterable[asyncio.Task[Any]], since: float, *, at_least: float | None = None) -> bool:
        """Wait for the end of all tasks; False if it is not there in time. `at_least`: seconds, whatever time it is."""
        ends = [] if self._deadline is None else [self._deadline]
        if self._limits.background is not None:
            ends.append(since + self._limits.background)
        seconds = min(ends) - self._loop.time() if ends else None
        if seconds is not None and at_least is not None:
            seconds = max(seconds, at_least)
        if seconds is not None and seconds <= 0:
            return False
        _, pending = await asyncio.wait(tasks, timeout=seconds)
        return not pending

    def _log_stacks(self, what: str) -> None:
        from bridge.runtime.log.stacks import describe_tasks

        started = sorted(self._started, key=lambda task: task.get_name())
        logger.error("%s Where it stands:\n%s", what, describe_tasks([self._work, *started]))

    def _cancel(self) -> None:
        """Once: a second time would cut off the cleaning up that the first one has begun."""
        if not self._is_cancelled:
            self._is_cancelled = True
            self._work.cancel()

    async def _cancel_work(self, grace: float) -> None:
        if self._work.done():
            return
        self._cancel()
        await asyncio.wait([self._work], timeout=grace)
        if not self._work.done():
            logger.error("The application was cancelled, but does not end: the next invocation goes on beside it.")
            _abandoned.add(self._work)
            self._work.add_done_callback(_abandoned.discard)


# Tasks that nobody can wait for any longer. The event loop alone would not keep them.
_abandoned: set[asyncio.Task[None]] = set()


def _warn_of(tasks: Iterable[asyncio.Task[Any]]) -> None:
    left = [task for task in tasks if not task.done()]
    if left:
        logger.warning("The application left tasks behind that go on beside the next invocation: %s.", names(left))


def _raised_by(work: asyncio.Task[None]) -> BaseException | None:
    try:
        return work.exception()
    except asyncio.CancelledError as exc:
        return exc
