"""Who answers an invocation: its event loop, or the watchdog's thread while that loop is blocked."""

from __future__ import annotations

import logging
import select
import threading
import time
from typing import TYPE_CHECKING

from bridge.errors import RuntimeApiGone
from bridge.runtime.api.vocabulary import check_answer
from bridge.runtime.invocations.posts import Post, WholeStream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from bridge.runtime.api.connection import Block, Connection
    from bridge.runtime.api.vocabulary import Invocation

__all__ = ["Turn"]

logger = logging.getLogger("bridge")


class Turn:
    """The right to answer one invocation. The first who takes it answers, and the other one does not."""

    __slots__ = ("_is_taken", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False

    @property
    def is_taken(self) -> bool:
        """True once an answer is being sent."""
        return self._is_taken

    def take(self) -> bool:
        """Return whether the caller answers. The event loop's side: wait for an answer that is being posted.

        That wait blocks the event loop, which was blocked until now, and ends at the deadline.
        """
        with self._lock:
            was_taken, self._is_taken = self._is_taken, True
        return not was_taken

    def post(
        self,
        make: Callable[[], Post | WholeStream],
        invocation: Invocation,
        connection: Connection,
        seconds: float,
        what: Callable[[], str],
    ) -> None:
        """Post what `make` returns on `connection`, unless the turn was taken. The watchdog's side.

        The turn stays free if the answer cannot be posted within `seconds`: the event loop may still have its own.
        `what`: as of `check_answer`.
        """
        with self._lock:
            if self._is_taken:
                return
            try:
                path, headers, body = _one_request(make(), invocation)
                check_answer(connection.request_blocking(b"POST", path, headers, body, block=_until(seconds)), what)
                self._is_taken = True
            except (OSError, RuntimeApiGone) as exc:
                logger.error("%s: No answer could be posted while the event loop was blocked: %s", what(), exc)
            finally:
                connection.close()


def _one_request(answer: Post | WholeStream, invocation: Invocation) -> Post:
    if isinstance(answer, Post):
        return answer
    from bridge.runtime.api.http import chunk, last_chunk
    from bridge.runtime.invocations.stream_format import STREAM_HEADERS, encode_prelude

    body = b"".join([*chunk(encode_prelude(answer.prelude)), *chunk(answer.body), last_chunk([])])
    return Post(invocation.response_path, [*STREAM_HEADERS, *invocation.echo], body)


def _until(seconds: float) -> Block:
    """Return a way to wait for a socket that raises TimeoutError after `seconds`, counted from now."""
    end = time.monotonic() + seconds

    def block(sock: socket.socket, want: int) -> None:
        poll = select.poll()
        poll.register(sock, want)
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError("the Runtime API did not reply before the deadline")

    return block
