"""SIGTERM: its one owner in this process. Ctrl-C during a startup. And an event loop that hears signals.

Lambda ends an environment with it, and Python's default is to end immediately. While the runtime serves, SIGTERM tells
it to stop; else it shuts down the handlers of this process. A signal handler of the application stays in place. A
forked child owns nothing: there SIGTERM has its default effect.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from bridge.errors import Terminated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

    from bridge._types import Closable, Interruptible

__all__ = ["Sigterm", "ctrl_c_cancels", "hearing_signals", "sigterm"]

# How long a signal may stay unnoticed while `hearing_signals` waits for nothing else, in seconds.
SIGNAL_CHECK_INTERVAL = 0.1

T = TypeVar("T")


class Sigterm:
    """The owner of SIGTERM. All methods do nothing outside of the main thread, where signals cannot be handled."""

    def __init__(self) -> None:
        self._pid = 0
        self._closables: list[Closable] = []
        self._callback: Callable[[], object] | None = None
        self._knows_forks = False
        self._has_ended = False
        self._is_listening = False
        # Whether the runtime knows that SIGTERM has come. A handler of the application's may have taken it.
        self.has_come = False

    def is_free(self) -> bool:
        """Return whether SIGTERM has its default handler or that of this class, and can be set here."""
        handler = signal.getsignal(signal.SIGTERM)
        is_main = threading.current_thread() is threading.main_thread()
        return is_main and (handler is signal.SIG_DFL or self._is_mine(handler))

    def shut_down(self, closable: Closable) -> None:
        """Have SIGTERM close `closable`, before those that were given here earlier, and end the process.

        From Python 3.13 on, atexit waits first for threads such as awslambdaric's, so it would be too late.
        """
        if self.is_free():
            self._closables.append(closable)
            self._install()

    def leave(self, closable: Closable) -> None:
        """Undo `shut_down`."""
        if closable in self._closables:
            self._closables.remove(closable)
            if self.is_free():
                self._reset()

    def take(self, callback: Callable[[], object]) -> bool:
        """Have SIGTERM call `callback()` in the main thread instead, until `release`. Return whether it was free.

        The first SIGTERM counts, and more of them are ignored: they must not cut the shutdown short.
        """
        if not self.is_free():
            return False
        self._callback = callback
        self._install()
        return True

    def release(self, *, ignore: bool) -> None:
        """Undo `take`; with `ignore`, which is for a process that is about to end, SIGTERM does nothing from now on."""
        self._callback = None
        if ignore:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            self._reset()

    def check(self) -> None:
        """Raise Terminated if SIGTERM has shut this process down.

        Python loses an exception that a signal handler raises in a weak reference's callback, which every import has:
        the init phase asks again before each of its steps.
        """
        if self._has_ended:
            raise Terminated(0)

    def listen(self, is_listening: bool) -> None:
        """Note that a descriptor of the runtime's is the interpreter's wake-up: a forked child must not write to it."""
        self._know_forks()
        self._is_listening = is_listening

    def is_cause_of(self, exc: BaseException) -> bool:
        """Return whether `exc` is the ordinary end of a process whose application handles SIGTERM itself."""
        return self.has_come and isinstance(exc, SystemExit) and exc.code in (0, None)

    def ignore(self) -> None:
        """Have SIGTERM do nothing from now on, unless it is the application's: the shutdown is under way."""
        if self.is_free():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _is_mine(self, handler: object) -> bool:
        return handler == self._handle

    def _install(self) -> None:
        self._know_forks()
        self._pid = os.getpid()
        signal.signal(signal.SIGTERM, self._handle)

    def _know_forks(self) -> None:
        if not self._knows_forks and hasattr(os, "register_at_fork"):
            self._knows_forks = True
            os.register_at_fork(after_in_child=self._forget)

    def _reset(self) -> None:
        signal.signal(signal.SIGTERM, self._handle if self._closables else signal.SIG_DFL)

    def _forget(self) -> None:
        """Give up everything in a forked child, which shares its parent's wake-up descriptor."""
        if self._callback is not None or self._is_listening:
            signal.set_wakeup_fd(-1)
        self._closables, self._callback = [], None
        self._has_ended = self._is_listening = self.has_come = False
        if self._is_mine(signal.getsignal(signal.SIGTERM)):
            self._reset()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a child that `_forget` was not called in yet
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        signal.signal(signum, signal.SIG_IGN)
        if self._callback is not None:
            self._callback()
        elif not any(closable.interrupt(self._end) for closable in self._closables):
            self._end()

    def _end(self) -> None:
        """Shut everything down, the last one first, and end the process. Raises Terminated."""
        self._has_ended = True
        for closable in reversed(tuple(self._closables)):
            closable.close_on_sigterm()
        raise Terminated(0)


sigterm = Sigterm()


@contextmanager
def ctrl_c_cancels(call: Interruptible) -> Iterator[None]:
    """Let the first Ctrl-C cancel the call in the block, and raise KeyboardInterrupt after it, as asyncio.run() does.

    An exception that hits a library between two of its steps can make that raise another error in its place. A second
    Ctrl-C is raised immediately. A signal handler of the application stays in place.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not call.interrupt(_raise_keyboard_interrupt):
            _raise_keyboard_interrupt()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


async def hearing_signals(function: Callable[[], Awaitable[T]]) -> T:
    """Await `function()`, on a loop that wakes up regularly meanwhile, so that Python runs its signal handlers.

    A signal that arrives just before the loop's wait for I/O does not end that wait, and a startup may wait for
    nothing else.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def wake_up() -> None:
        nonlocal timer
        timer = loop.call_later(SIGNAL_CHECK_INTERVAL, wake_up)

    wake_up()
    try:
        return await function()
    finally:
        timer.cancel()
