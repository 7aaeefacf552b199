"""The timeout of a function, as Lambda has it: the process ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bridge.stacks import describe_threads

__all__ = ["ending_after"]


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
