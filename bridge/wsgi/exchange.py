"""One call of a WSGI application: from its call to the `close()` of what it returned. All of it is synchronous.

https://peps.python.org/pep-3333/#specification-details
"""

from __future__ import annotations

import logging
from collections import deque
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from bridge._messages import MAX_WHOLE, CompleteResponse, request_line, too_large
from bridge.asgi.failures import is_failure
from bridge.errors import InvalidMessage, NoResponse, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from bridge._httpx import httpx
    from bridge._types import HeaderPairs, WSGIApp

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

__all__ = ["WSGIExchange"]

logger = logging.getLogger("bridge")


class WSGIExchange:
    """One call of `app`. `request`: for log lines.

    Its methods are called one after another, and all in the same thread. Raises what the application raises, and the
    ProtocolErrors of `bridge.errors`.
    """

    def __init__(self, app: WSGIApp, environ: dict[str, Any], request: httpx.Request) -> None:
        self._app, self._environ, self._request = app, environ, request
        self.status_code = 0  # until start_response() was called
        self.headers: HeaderPairs = []
        self._has_sent = False  # a part of the body, and so the head: neither can be changed any more
        self._pending: deque[bytes] = deque()  # what was given to write(), or yielded, and not taken yet
        self._iterable: Iterable[bytes] | None = None
        self._parts: Iterator[bytes] = iter(())

    # The application's side.

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        try:
            if exc_info is not None and exc_info[1] is not None and self._has_sent:
                raise exc_info[1].with_traceback(exc_info[2])
            if exc_info is None and self.status_code:
                raise ProtocolError(
                    "Expected the WSGI application to call start_response() once, or with exc_info, but it called it "
                    f"again, with {status!r:.200}."
                )
            self.status_code, self.headers = _checked_status(status), _checked_headers(headers)
        finally:
            del exc_info  # the traceback in it refers to this frame
        return self._put

    def _put(self, part: bytes) -> None:
        """Take a part of the body: the `write()` of PEP 3333."""
        if not isinstance(part, bytes | bytearray | memoryview):
            raise InvalidMessage(f"Expected the parts of a WSGI response to be bytes, but got {type(part).__name__}.")
        if part:
            if not self.status_code:
                raise ProtocolError(
                    "Expected the WSGI application to call start_response() before the first part of its body."
                )
            self._has_sent = True
            self._pending.append(bytes(part))

    # The reader's side.

    def start(self) -> bytes:
        """Call the application, and return the first part of the body; b"" if it has none."""
        self._iterable = iterable = self._app(self._environ, self._start_response)
        try:
            self._parts = iter(iterable)
        except TypeError:
            kind = type(iterable).__name__
            raise InvalidMessage(
                f"Expected the WSGI application to return an iterable of bytes, but it returned {kind}."
            ) from None
        return self.next_part()

    def next_part(self) -> bytes:
        """Return the next part of the body, which is not empty; b"" at the end."""
        while not self._pending:
            try:
                part = next(self._parts)
            except StopIteration:
                break
            self._put(part)
        if self._pending:
            return self._pending.popleft()
        if not self.status_code:
            raise NoResponse("the WSGI application to call start_response()")
        return b""

    def read(self, *, leaves_open: bool = False) -> CompleteResponse:
        """Call the application, and return its whole response. Close the exchange.

        `leaves_open`: leave that to the caller if `close()` may run code of the application, which may take long.
        """
        try:
            body = b"".join(self._whole_body())
        except BaseException:
            self.close()
            raise
        # A generator that has ended has no code left.
        if not leaves_open or isinstance(self._iterable, GeneratorType) or not hasattr(self._iterable, "close"):
            self.close()
        return CompleteResponse(self.status_code, self.headers, body)

    def _whole_body(self) -> Iterator[bytes]:
        part, size = self.start(), 0
        while part:
            size += len(part)
            if size > MAX_WHOLE:
                raise too_large(MAX_WHOLE)
            yield part
            part = self.next_part()

    @property
    def is_open(self) -> bool:
        """True if `close` has something left to do."""
        return self._iterable is not None

    def close(self) -> None:
        """Call the iterable's `close()`, if it has one. Idempotent. A failure there is logged."""
        iterable, self._iterable = self._iterable, None
        try:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()
        except BaseException as exc:
            if not is_failure(exc):
                raise
            logger.error(
                "%s: The application raised %s in the close() of its response. The response stays as it is.",
                request_line(self._request),
                type(exc).__name__,
                exc_info=exc,
            )


def _checked_status(status: object) -> int:
    code = status[:3] if isinstance(status, str) else ""
    if code.isascii() and code.isdigit() and int(code) >= 100 and str(status)[3:4] in ("", " "):
        return int(code)
    raise InvalidMessage(
        f"Expected the status in start_response() to be a text such as '200 OK', but got {status!r:.200}."
    )


def _checked_headers(headers: object) -> HeaderPairs:
    try:
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):  # UnicodeEncodeError is a ValueError
        raise InvalidMessage(
            f"Expected the headers in start_response() to be pairs of latin-1 text, but got {headers!r:.200}."
        ) from None
