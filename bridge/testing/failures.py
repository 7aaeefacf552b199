"""What an application raised in one request: `raise_exceptions` raises it, as test clients of frameworks do.

A handler answers and logs such a failure itself, and a framework often answers it before it raises it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.asgi.failures import noted_failures

__all__ = ["Failures"]


class Failures:
    """The failures of one request. `is_raised`: whether they are raised at all."""

    def __init__(self, *, is_raised: bool) -> None:
        self.is_raised = is_raised
        self._noted: list[BaseException] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what the application raises in the block, and in tasks and threads that it starts."""
        if not self.is_raised:
            yield
            return
        token = noted_failures.set(self._noted)
        try:
            yield
        finally:
            noted_failures.reset(token)

    def check(self) -> None:
        """Raise the first of them."""
        if self._noted:
            raise self._noted[0]
