"""The answer to one invocation on an event loop: a result, a stream, an error, or a response in their place."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge import invocation as current
from bridge.deadline import NO_RESULT
from bridge.errors import ClientDisconnected, DeadlineExceeded
from bridge.runtime.api.vocabulary import check_answer
from bridge.runtime.invocations.background import Background
from bridge.runtime.invocations.deadline import CANCEL_GRACE, Deadline
from bridge.runtime.invocations.posts import Posts, WholeStream
from bridge.runtime.invocations.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.runtime.api.http import Reply
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.context import LambdaContext
    from bridge.runtime.invocations.polling import Means
    from bridge.runtime.invocations.posts import Post
    from bridge.runtime.invocations.streaming import StreamedAnswer
    from bridge.runtime.invocations.targets import Target

__all__ = ["Answer"]

logger = logging.getLogger("bridge")

# In bytes. Lambda breaks off a longer stream: 200 MB, where it is not known which ones.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_STREAM = 200_000_000

# Values in place of a result: the answer was streamed, or there is no result and the deadline is near.
_STREAMED, _LATE = object(), object()


class _Failure(NamedTuple):
    """An exception in place of a result, because a future does not accept a CancelledError as its exception."""

    error: BaseException


class Answer:
    """The answer to one invocation. It is the `Call` that its target sees."""

    __slots__ = (
        *("_background", "_deadline", "_invocation", "_means", "_posts", "_streamed", "_target", "_turn"),
        *("context", "event", "result"),
    )

    def __init__(self, invocation: Invocation, target: Target, means: Means) -> None:
        self.event: Any = None
        self.context: LambdaContext | None = None
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._invocation = invocation
        self._target = target
        self._means = means
        self._posts = Posts(invocation, target, means.output)
        self._turn = Turn()
        self._streamed: StreamedAnswer | None = None
        self._deadline = Deadline(invocation.deadline_ms, means.limits.margin, means.watchdog)
        self._background = Background(self._deadline, means.limits.background)

    def _what(self) -> str:
        return self._target.describe(self.event)

    async def serve(self, event: Any, context: LambdaContext) -> None:
        """Answer, and wait for the work after the answer. Raises RuntimeApiGone."""
        self.event, self.context = event, context
        current.deadline.set(self._deadline.moment)
        current.is_answered.set(self._is_answered)
        self._background.start(self._target.work(self), self._worked, self._what)
        self._deadline.start(self._expire, self._answer_blocked, self._what)
        try:
            await self._answer()
            if self._streamed is not None or not self._background.is_over:
                await self._background.finish()
        except (Exception, asyncio.CancelledError):
            await self._background.cancel_and_wait(CANCEL_GRACE)
            raise
        finally:
            self._deadline.close()
            if self.result.done() and not self.result.cancelled():
                self.result.exception()  # retrieved, even if this task was cancelled before that
            if self._streamed is not None:
                self._streamed.close()

    # The result.

    def _worked(self, work: asyncio.Task[None]) -> None:
        """Note the end of the target's work. Its exception fails the invocation, if that has no result yet."""
        error = _raised_by(work)
        if error is None:
            self._settle(_STREAMED)
            return
        from bridge.runtime.api.errors import exit_in

        ends_process = exit_in(error)
        if ends_process is not None:
            if ends_process is not error:
                raise ends_process  # out of the event loop, as asyncio itself does with one that is not in a group
        elif not self.result.done():
            self.result.set_result(_Failure(error))
        elif not isinstance(error, asyncio.CancelledError):
            when = "when it was cancelled" if self._background.is_cancelled else "after its answer"
            logger.error("%s: The handler failed %s.", self._what(), when, exc_info=error)

    def _expire(self) -> None:
        self._settle(_LATE)

    def _settle(self, result: object) -> None:
        if not self.result.done():
            self.result.set_result(result)

    def open_stream(self) -> StreamedAnswer | None:
        return self._new_stream() if not self.result.done() and self._turn.take() else None

    def _new_stream(self) -> StreamedAnswer:
        from bridge.runtime.invocations.streaming import StreamedAnswer

        self._streamed = StreamedAnswer(self._means.connection, self._invocation)
        return self._streamed

    def end_stream(self, reply: Reply | None) -> None:
        if reply is not None:
            check_answer(reply, self._what)
        self._settle(_STREAMED)

    # The answer.

    async def _answer(self) -> None:
        try:
            result = await self.result
        except Exception as exc:  # of the handler's result
            result = _Failure(exc)
        await asyncio.sleep(0)  # an application that returns when it has sent its response has ended after one turn
        if self._background.is_over:
            self._deadline.close()  # nothing is left that it could end
        if self._streamed is None and not self._turn.take():
            self._drop(result)
        elif result is _LATE:
            await self._give_up()
        elif isinstance(result, _Failure):
            await self.fail(result.error)
        elif result is not _STREAMED:
            await self._send(self._posts.of_result(self.event, result))
        elif self._streamed is not None and self._streamed.is_gone:
            _note_gone(self._streamed, self._what)

    async def _send(self, answer: Post | WholeStream) -> None:
        if isinstance(answer, WholeStream):
            await self._end_stream(self._stream_whole(*answer))
        else:
            path, headers, body = answer
            check_answer(await self._means.connection.request(b"POST", path, headers, body), self._what)

    async def fail(self, exc: BaseException) -> None:
        """Fail the invocation with `exc`, or its stream in the middle. Raises RuntimeApiGone."""
        if self._streamed is not None and self._streamed.is_started:
            await self._end_stream(self._streamed.fail(self._posts.reported(exc)))
        else:
            await self._send(self._posts.of_error(exc))

    async def _end_stream(self, end: Awaitable[Reply]) -> None:
        """Wait for the end of the stream, which waits for its reader: up to the deadline itself."""
        try:
            async with asyncio.timeout(self._deadline.left_to_post):
                check_answer(await end, self._what)
        except TimeoutError:
            logger.error(
                "%s: The caller did not read the rest of the stream before the deadline. It was broken off.",
                self._what(),
            )
        except ClientDisconnected:
            assert self._streamed is not None
            _note_gone(self._streamed, self._what)

    # Near the deadline.

    def _is_answered(self) -> bool:
        """Return whether the watchdog's thread has answered."""
        return self._streamed is None and self._turn.is_taken

    def _answer_blocked(self) -> None:
        """Answer in the watchdog's thread: with the application's response if that is whole, else with a 504."""
        seconds = self._deadline.left_to_post or 0.0
        self._turn.post(self._made, self._invocation, self._means.connection.another(), seconds, self._what)

    def _made(self) -> Post | WholeStream:
        result: Any = _LATE
        if self.result.done() and not self.result.cancelled() and self.result.exception() is None:
            result = self.result.result()
        if result is _LATE:
            return self._posts.in_place(self.event, DeadlineExceeded(NO_RESULT), 504)
        if isinstance(result, _Failure):
            return self._posts.of_error(result.error)
        return self._posts.of_result(self.event, result)

    def _drop(self, result: object) -> None:
        """Give up what came after the answer that the watchdog's thread has posted."""
        error = result.error if isinstance(result, _Failure) else None
        logger.warning(
            "%s: The event loop goes on. The caller has had its answer: this one is dropped.",
            self._what(),
            exc_info=error,
        )
        self._background.cancel()

    async def _give_up(self) -> None:
        """Give up near the deadline: answer with a 504, log all stacks, and cancel the application."""
        exc = DeadlineExceeded(NO_RESULT)
        self._background.log_stacks("There is no result, and the deadline of the invocation is near.")
        self._background.cancel()
        if self._streamed is None or not self._streamed.is_started:
            await self._send(self._posts.in_place(self.event, exc, 504))
        elif self._streamed.is_over:  # whole: only its reader is not at the end
            await self._end_stream(self._streamed.replied())
        else:
            await self.fail(exc)

    async def _stream_whole(self, prelude: dict[str, Any], body: bytes) -> Reply:
        streamed = self._new_stream()
        await streamed.start(prelude)
        await streamed.send(body)
        return await streamed.finish()


def _note_gone(streamed: StreamedAnswer, what: Callable[[], str]) -> None:
    streamed.close()
    if streamed.size > MAX_STREAM:
        logger.error(
            "%s: The stream was broken off after %d bytes: Lambda takes 200 MB. Put a larger response on S3.",
            what(),
            streamed.size,
        )
    if streamed.reply is None:
        logger.info("%s: The caller went away before the end of the stream.", what())
    else:
        check_answer(streamed.reply, what)


def _raised_by(work: asyncio.Task[None]) -> BaseException | None:
    try:
        return work.exception()
    except asyncio.CancelledError as exc:
        return exc
