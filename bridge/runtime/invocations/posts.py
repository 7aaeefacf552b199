"""The answer to one invocation as it is posted: by its event loop, or by the watchdog's thread. No I/O but the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.errors import ErrorStatus, ResultNotEncoded
from bridge.runtime.api.payload import encode_result
from bridge.runtime.api.vocabulary import MAX_RESULT, result_headers, too_large

if TYPE_CHECKING:
    from bridge.runtime.api.http import Pairs
    from bridge.runtime.api.vocabulary import Invocation
    from bridge.runtime.invocations.polling import Output
    from bridge.runtime.invocations.targets import Target

__all__ = ["Post", "Posts", "WholeStream"]

logger = logging.getLogger("bridge")


class Post(NamedTuple):
    """A POST to the Runtime API that ends an invocation."""

    path: bytes
    headers: Pairs
    body: bytes


class WholeStream(NamedTuple):
    """A response of our own to an event that is answered with a stream."""

    prelude: dict[str, Any]
    body: bytes


class Posts:
    """The answers to one invocation. From any thread."""

    __slots__ = ("_invocation", "_output", "_target")

    def __init__(self, invocation: Invocation, target: Target, output: Output) -> None:
        self._invocation, self._target, self._output = invocation, target, output

    def of_result(self, event: Any, result: object) -> Post | WholeStream:
        """Return the answer of a result; an error, or a 500, for one that the API would refuse."""
        try:
            body = encode_result(result)
        except ResultNotEncoded as exc:
            return self.of_error(exc)
        if len(body) <= MAX_RESULT:
            return self._encoded(body, is_json=not isinstance(result, bytes))
        error = too_large(body)  # the API would refuse it too, but tell the client less
        logger.error("%s: %s The caller gets an error instead.", self._target.describe(event), error)
        return self.in_place(event, error, 500, f"{error} Stream it, or send less.")

    def in_place(self, event: Any, exc: Exception, status_code: int, text: str = "") -> Post | WholeStream:
        """Return a response in place of the application's own, if the caller understands one; else fail with `exc`."""
        try:
            stream = self._target.substitute_stream(event, status_code, text)
            result = self._target.substitute(event, status_code, text) if stream is None else None
            body = b"" if result is None else encode_result(result)
        except ErrorStatus as status:  # which is set to fail the invocation
            return self.of_error(status)
        except Exception as failure:  # of a source of the user's
            what = self._target.describe(event)
            logger.error("%s: A response in place of the application's own could not be made.", what, exc_info=failure)
            return self.of_error(exc)
        if stream is not None:
            return WholeStream(*stream)
        return self._encoded(body, is_json=True) if 0 < len(body) <= MAX_RESULT else self.of_error(exc)

    def _encoded(self, body: bytes, *, is_json: bool) -> Post:
        return Post(self._invocation.response_path, result_headers(self._invocation, body, is_json=is_json), body)

    def of_error(self, exc: BaseException) -> Post:
        """Log `exc`, and return the answer that fails the invocation with it."""
        from bridge.runtime.api.errors import error_answer

        document = self.reported(exc)
        return Post(self._invocation.error_path, *error_answer(self._invocation, exc, document))

    def reported(self, exc: BaseException) -> dict[str, Any]:
        """Log `exc`, and return its document."""
        from bridge.runtime.api.errors import error_document

        document = error_document(exc, request_id=self._invocation.request_id)
        self._output.report(document)
        return document
