"""The end of the process where the function does not let it end: at its timeout, and after the last event."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bridge.stacks import describe_threads

__all__ = ["end_without_threads", "ending_after"]

# How long threads of the function may go on after the last event, in seconds: Lambda freezes them.
_GRACE = 2.0


@contextmanager
def ending_after(seconds: float, name: str) -> Iterator[None]:
    """End the process with status 1 if the block takes longer. Say which event it was, and where the code stood."""

    def end() -> None:
        click.echo(
            f"{name}: the function timed out after {seconds:g} s. Where it stood:\n{describe_threads()}", err=True
        )
        sys.stdout.flush()
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def end_without_threads(status: int) -> None:
    """End the process with `status` soon if threads that the function started would keep it. Return immediately."""
    kept = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
    if not kept:
        return

    def end() -> None:
        names = ", ".join(sorted(each.name for each in kept if each.is_alive()))
        click.echo(f"Threads of the function go on, and are ended: {names!r}", err=True)
        sys.stdout.flush()
        os._exit(status)

    timer = threading.Timer(_GRACE, end)
    timer.daemon = True
    timer.start()
