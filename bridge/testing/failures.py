"""What an application raised in one request, which the handler has answered and logged.

`raise_exceptions` raises it, as test clients of frameworks do: they often answer it before they raise it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge._httpx import httpx
from bridge.asgi.failures import noted_failures
from bridge.testing.call import add_reason

__all__ = ["Failures"]


class Failures:
    """The failures of one request. `is_raised`: whether they are raised at all."""

    def __init__(self, *, is_raised: bool) -> None:
        self.is_raised = is_raised
        self._noted: list[BaseException] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what the application raises in the block, and in tasks and threads that it starts."""
        token = noted_failures.set(self._noted)
        try:
            yield
        finally:
            noted_failures.reset(token)

    def settle(self, response: httpx.Response) -> httpx.Response:
        """Return `response` with the first of them among its reasons, or raise that."""
        self.check()
        for failure in self._noted[:1]:
            add_reason(response.extensions, f"The application raised {type(failure).__name__}: {failure}")
        return response

    def check(self) -> None:
        """Raise the first of them, if they are raised."""
        if self._noted and self.is_raised:
            raise self._noted[0]
