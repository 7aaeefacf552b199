"""One invocation, from its event to the end of the application: its answer, its deadline, and the work after it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.errors import ClientDisconnected, DeadlineExceeded, ResultNotEncoded, ResultTooLarge
from bridge.runtime.answers import check_answer, document_of, error_answer
from bridge.runtime.api import MAX_RESULT, result_headers
from bridge.runtime.leftovers import names, started_tasks
from bridge.runtime.payload import encode_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.runtime.api import Invocation
    from bridge.runtime.connection import Connection, Rest
    from bridge.runtime.context import LambdaContext
    from bridge.runtime.streaming import StreamedAnswer
    from bridge.runtime.targets import Target
    from bridge.runtime.wire import Reply

__all__ = ["Answering", "Limits"]

logger = logging.getLogger("bridge")

# What takes the place of a result that went out as a stream.
_STREAMED = object()

# How long an application that was cancelled may clean up, in seconds: a part of the default margin before the deadline.
CANCEL_GRACE = 0.1


class Limits(NamedTuple):
    """`margin`: how long before its deadline an invocation is given up. `background`: how long work may go on after
    the answer; None is up to the deadline. In seconds.

    `report`: logs the document of an error. `flush`: writes out what the application has printed.
    """

    margin: float
    background: float | None
    report: Callable[[dict[str, Any]], None]
    flush: Callable[[], None]


class Answering:
    """Everything about one invocation. `result`: what the target gives; `streamed`: its stream, if it makes one."""

    __slots__ = (
        "_deadline",
        "_limits",
        "_loop",
        "_rest",
        "_started",
        "_target",
        "_timer",
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
        self.result: asyncio.Future[Any] = self._loop.create_future()
        self._work: asyncio.Task[None]
        self._started: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        # On the loop's clock; None if there is none.
        self._deadline = self._loop.time() + self._seconds_left() if invocation.deadline_ms else None

    def _seconds_left(self) -> float:
        left = max(0.0, self.invocation.deadline_ms / 1000 - time.time())
        return left - min(self._limits.margin, left / 2)  # a function whose time is shorter than that has some, too

    async def serve(self) -> None:
        """Answer, and wait for the work behind the answer. Raises RuntimeApiGone."""
        started_tasks.set(self._started)
        self._work = self._loop.create_task(self._target.work(self), name="bridge invocation")
        self._work.add_done_callback(self._worked)
        if self._deadline is not None:
            self._timer = self._loop.call_at(self._deadline, self._expire)
        try:
            await self._answer()
            if not self._work.done() or self._started:
                await self._finish()
        except asyncio.CancelledError:
            await self._cancel_work()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self.result.done() and not self.result.cancelled():
                self.result.exception()  # retrieved, whoever was cancelled before
            if self.streamed is not None and not self.streamed.is_over:
                self.streamed.close()

    def _worked(self, work: asyncio.Task[None]) -> None:
        """The target's work is at its end, whichever: what it raised fails the invocation, if that has no result."""
        error = RuntimeError("The handler was cancelled by itself.") if work.cancelled() else work.exception()
        if not self.result.done():
            if error is None:
                self.result.set_result(_STREAMED)
            else:
                self.result.set_exception(error)
        elif error is not None and not work.cancelled():
            logger.error("The handler failed after its answer.", exc_info=error)

    def streamed_whole(self, reply: Reply) -> None:
        """The stream came to its clean end."""
        check_answer(reply)
        if not self.result.done():
            self.result.set_result(_STREAMED)

    def _expire(self) -> None:
        if not self.result.done():
            self.result.set_exception(DeadlineExceeded("There was no result, and the deadline is near."))

    async def _answer(self) -> None:
        try:
            result = await self.result
            if self._timer is not None:
                self._timer.cancel()  # a loop without timers can rest while the answer is posted
        except DeadlineExceeded as exc:
            await self._give_up(exc)
        except Exception as exc:
            await self.fail(exc)
        else:
            if result is not _STREAMED:
                await self._post(result)
            elif self.streamed is not None and self.streamed.is_gone:
                await self._note_gone(self.streamed)

    async def _post(self, result: object) -> None:
        try:
            body = encode_result(result)
        except ResultNotEncoded as exc:
            return await self.fail(exc)
        if len(body) > MAX_RESULT:
            return await self._refuse_large(len(body))
        headers = result_headers(self.invocation, body)
        check_answer(
            await self.connection.request(b"POST", self.invocation.response_path, headers, body, rest=self._rest)
        )
        return None

    async def _refuse_large(self, size: int) -> None:
        """The API would refuse it too, but tell the client less."""
        text = f"The result has {size} bytes as JSON, and Lambda takes {MAX_RESULT} at most."
        substitute = self._target.substitute(self.event, 500, f"{text} Stream it, or send less.")
        if substitute is None:
            return await self.fail(ResultTooLarge(text))
        logger.error("%s The client got a 500.", text)
        await self._post(substitute)
        return None

    async def fail(self, exc: BaseException) -> None:
        """The invocation fails with `exc`, or its stream does in the middle. Raises RuntimeApiGone."""
        document = document_of(exc, self.invocation.request_id)
        self._limits.report(document)
        if self.streamed is not None and self.streamed.is_started:
            await self._end_stream(self.streamed.fail(document))
            return
        headers, body = error_answer(self.invocation, exc, document)
        check_answer(await self.connection.request(b"POST", self.invocation.error_path, headers, body))

    async def _end_stream(self, end: Any) -> None:
        try:
            check_answer(await end)
        except ClientDisconnected:
            logger.info("The caller went away before the end of the stream.")

    async def _note_gone(self, streamed: StreamedAnswer) -> None:
        reply = await streamed.early_reply()
        if reply is None:
            logger.info("The caller went away before the end of the stream.")
        else:
            check_answer(reply)

    async def _give_up(self, exc: DeadlineExceeded) -> None:
        """The deadline is near: the client gets a 504, the log where the application stands, the application an end."""
        from bridge.runtime.stacks import describe_tasks

        stack = describe_tasks({self._work, *self._started})
        logger.error("There is no result, and the deadline of the invocation is near. Where it stands:\n%s", stack)
        self._work.cancel()
        if self.streamed is not None and self.streamed.is_started:
            if not self.streamed.is_gone:
                await self.fail(exc)
            return
        stream = self._target.substitute_stream(self.event, 504, "")
        if stream is not None:
            await self._end_stream(self._stream_whole(*stream))
            return
        substitute = self._target.substitute(self.event, 504, "")
        await (self.fail(exc) if substitute is None else self._post(substitute))

    async def _stream_whole(self, prelude: dict[str, Any], body: bytes) -> Reply:
        if self.streamed is not None:
            self.streamed.is_over = True
        from bridge.runtime.streaming import StreamedAnswer

        streamed = StreamedAnswer(self.connection, self.invocation)
        await streamed.start(prelude)
        await streamed.send(body)
        return await streamed.finish()

    async def _finish(self) -> None:
        """Wait for the application, and for tasks that it left behind, as long as there is time."""
        answered = self._loop.time()
        if not self._work.done():
            await self._settle([self._work], answered)
            await self._end_work()
        left = {task for task in self._started if not task.done()}
        if left:
            await self._settle(left, answered)
            left = {task for task in left if not task.done()}
        if left:
            logger.warning("The application left tasks behind that go on beside the next invocation: %s.", names(left))

    async def _settle(self, tasks: Iterable[asyncio.Task[Any]], since: float) -> None:
        ends = [] if self._deadline is None else [self._deadline]
        if self._limits.background is not None:
            ends.append(since + self._limits.background)
        seconds = max(0.0, min(ends) - self._loop.time()) if ends else None
        await asyncio.wait(tasks, timeout=seconds)

    async def _end_work(self) -> None:
        if self._work.done():
            return
        if not self._work.cancelling():
            from bridge.runtime.stacks import describe_tasks

            stack = describe_tasks({self._work, *self._started})
            logger.error("The application works on after its answer, and its time is over. Where it stands:\n%s", stack)
        await self._cancel_work()

    async def _cancel_work(self) -> None:
        if self._work.done():
            return
        self._work.cancel()
        await asyncio.wait([self._work], timeout=CANCEL_GRACE)
        if not self._work.done():
            logger.error("The application was cancelled, but does not end: the next invocation goes on beside it.")
            _abandoned.add(self._work)
            self._work.add_done_callback(_abandoned.discard)


# Tasks that nobody can wait for any longer. The event loop alone would not keep them.
_abandoned: set[asyncio.Task[None]] = set()
