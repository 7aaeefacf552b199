"""Ctrl+C where nothing has begun that could be ended."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ctrl_c_ends"]


@contextmanager
def ctrl_c_ends() -> Iterator[None]:
    """Let Ctrl+C end the process immediately in the block, as it ends a program in C: while our own modules load.

    Python would print the place where it was, and an exception that hits a weak reference's callback, which every
    import has, is lost. A signal that is ignored, or a handler of someone else's, stays in place.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
