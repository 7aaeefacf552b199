"""The features of the program that imports the function's module: awslambdaric, or our own runtime.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from typing import TYPE_CHECKING, Any

from bridge.settings import escapes_results, function_process, in_lambda, initialization_type

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = [
    "Runtime",
    "current_runtime",
    "has_long_init",
    "init_limit",
    "is_function_process",
    "register_snapshot_hooks",
    "set_runtime",
    "warn_of_streams",
]

logger = logging.getLogger("bridge")


# How long an init phase may take, in seconds.
INIT = 10.0
LONG_INIT = 130.0

_LONG_INITS = frozenset({"provisioned-concurrency", "snap-start", "lambda-managed-instances"})


class Runtime:
    """The features of the program that imports the function's module.

    `can_stream`: whether it passes a response on while the application sends it. `startups`: a list to which a handler
    adds its startup, which the program runs after the import; None if the handler has to run it while it is made.
    `new_loop`: makes the event loop of a handler. `slots`: how many invocations it may answer concurrently in this
    process, and `workers`: in how many processes it does so.
    """

    def __init__(
        self,
        *,
        can_stream: bool = False,
        startups: list[Callable[[], None]] | None = None,
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
        slots: int = 1,
        workers: int = 1,
    ) -> None:
        self.can_stream = can_stream
        self.startups = startups
        self.new_loop = new_loop
        self.slots = slots
        self.workers = workers

    def result_size(self, result: object) -> int:
        """Return the bytes of JSON that the program posts for `result`; 0 for a value that JSON lacks."""
        import json

        separators, in_ascii = ((",", ":"), False) if self.can_stream else (None, escapes_results())
        try:
            text = json.dumps(result, ensure_ascii=in_ascii, separators=separators, default=str)
        except (TypeError, ValueError, RecursionError):
            return 0
        return len(text.encode("utf-8", "backslashreplace"))


# The features in this process: by default those of awslambdaric, and of any other program that knows no handlers.
_runtime = Runtime()


def set_runtime(runtime: Runtime) -> None:
    """Set the features for all handlers that are made from now on."""
    global _runtime
    _runtime = runtime


def current_runtime() -> Runtime:
    """Return the features that were set with `set_runtime`."""
    return _runtime


def init_limit() -> float:
    """Return how long Lambda waits for the init phase of this environment, in seconds.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    """
    return LONG_INIT if has_long_init() else INIT


def has_long_init() -> bool:
    """Return whether Lambda prepares this environment before there is a request for it."""
    return initialization_type() in _LONG_INITS


def is_function_process() -> bool:
    """Return whether Lambda started this process to run the function; False outside of Lambda.

    A helper process imports the function's module too: those of multiprocessing (spawn and forkserver do), a command
    that the function runs, a fork. It must start nothing. The first process that asks is the function's.

    `multiprocessing.parent_process()` does not tell: it is None while a spawned process imports the module of its
    target, and awslambdaric's workers on Lambda Managed Instances have a parent.
    """
    return in_lambda() and function_process(os.getpid()) == os.getpid()


def register_snapshot_hooks(owner: object, run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None]) -> None:
    """Call `owner.before_snapshot` and `owner.after_restore`, if it has both, around a snapshot.

    `run` runs such a function on the handler's own event loop.
    """
    before, after = (getattr(owner, name, None) for name in ("before_snapshot", "after_restore"))
    if before is None or after is None:
        return
    from bridge.snapstart import register_hooks

    register_hooks(before_snapshot=lambda: run(before), after_restore=lambda: run(after))


@functools.cache
def warn_of_streams() -> None:
    """Log once in a process that its responses cannot stream."""
    logger.warning(
        "AWS_LWA_INVOKE_MODE is 'response_stream', but the runtime that runs this process cannot stream: every "
        "response is given to Lambda in one piece. Streaming needs 'python -m bridge.runtime'."
    )
