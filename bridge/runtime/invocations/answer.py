"""The answer to one invocation on an event loop: a result, a stream, an error, or a response in their place."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge import invocation as current
from bridge.deadline import NO_RESULT
from bridge.errors import ClientDisconnected, DeadlineExceeded, ErrorStatus, ResultNotEncoded
from bridge.runtime.api.payload import encode_result
from bridge.runtime.api.vocabulary import MAX_RESULT, check_answer, result_headers, too_large
from bridge.runtime.invocations.background import Background
from bridge.runtime.invocations.deadline import CANCEL_GRACE, Deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.runtime.api.http import Pairs, Reply
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.context import LambdaContext
    from bridge.runtime.invocations.polling import Means
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
        *("_background", "_deadline", "_invocation", "_means", "_streamed", "_target"),
        *("context", "event", "result"),
    )

    def __init__(self, invocation: Invocation, target: Target, means: Means) -> None:
        self.event: Any = None
        self.context: LambdaContext | None = None
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._invocation = invocation
        self._target = target
        self._means = means
        self._streamed: StreamedAnswer | None = None
        self._deadline = Deadline(invocation.deadline_ms, means.limits.margin, means.watchdog)
        self._background = Background(self._deadline, means.limits.background)

    def _what(self) -> str:
        return self._target.describe(self.event)

    async def serve(self, event: Any, context: LambdaContext) -> None:
        """Answer, and wait for the work after the answer. Raises RuntimeApiGone."""
        self.event, self.context = event, context
        current.deadline.set(self._deadline.moment)
        self._background.start(self._target.work(self), self._worked, self._what)
        self._deadline.start(self._expire)
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

    def open_stream(self) -> StreamedAnswer:
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
        if result is _LATE:
            await self._give_up()
        elif isinstance(result, _Failure):
            await self.fail(result.error)
        elif result is not _STREAMED:
            await self._post(result)
        elif self._streamed is not None and self._streamed.is_gone:
            _note_gone(self._streamed, self._what)

    async def _post(self, result: object) -> None:
        try:
            body = encode_result(result)
        except ResultNotEncoded as exc:
            await self.fail(exc)
            return
        if len(body) <= MAX_RESULT:
            await self._send(body, is_json=not isinstance(result, bytes))
            return
        error = too_large(body)  # the API would refuse it too, but tell the client less
        logger.error("%s: %s The caller gets an error instead.", self._what(), error)
        await self._stand_in(error, 500, f"{error} Stream it, or send less.")

    async def _send(self, body: bytes, *, is_json: bool) -> None:
        headers = result_headers(self._invocation, body, is_json=is_json)
        await self._request(self._invocation.response_path, headers, body)

    async def _request(self, path: bytes, headers: Pairs, body: bytes) -> None:
        check_answer(await self._means.connection.request(b"POST", path, headers, body), self._what)

    async def fail(self, exc: BaseException) -> None:
        """Fail the invocation with `exc`, or its stream in the middle. Raises RuntimeApiGone."""
        from bridge.runtime.api.errors import error_answer, error_document

        document = error_document(exc, request_id=self._invocation.request_id)
        self._means.output.report(document)
        if self._streamed is not None and self._streamed.is_started:
            await self._end_stream(self._streamed.fail(document))
            return
        await self._request(self._invocation.error_path, *error_answer(self._invocation, exc, document))

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

    # In place of the application's own.

    async def _give_up(self) -> None:
        """Give up near the deadline: answer with a 504, log all stacks, and cancel the application."""
        exc = DeadlineExceeded(NO_RESULT)
        self._background.log_stacks("There is no result, and the deadline of the invocation is near.")
        self._background.cancel()
        if self._streamed is None or not self._streamed.is_started:
            await self._stand_in(exc, 504, "")
        elif self._streamed.is_over:  # whole: only its reader is not at the end
            await self._end_stream(self._streamed.replied())
        else:
            await self.fail(exc)

    async def _stand_in(self, exc: Exception, status_code: int, text: str) -> None:
        """Answer with a response of our own, if the caller understands one; else fail with `exc`."""
        try:
            stream = self._target.substitute_stream(self.event, status_code, text)
            result = self._target.substitute(self.event, status_code, text) if stream is None else None
            body = b"" if result is None else encode_result(result)
        except ErrorStatus as status:  # which is set to fail the invocation
            return await self.fail(status)
        except Exception as failure:  # of a source of the user's
            logger.error(
                "%s: A response in place of the application's own could not be made.", self._what(), exc_info=failure
            )
            return await self.fail(exc)
        if stream is not None:
            return await self._end_stream(self._stream_whole(*stream))
        return await (self._send(body, is_json=True) if 0 < len(body) <= MAX_RESULT else self.fail(exc))

    async def _stream_whole(self, prelude: dict[str, Any], body: bytes) -> Reply:
        streamed = self.open_stream()
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
