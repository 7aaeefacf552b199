"""The failures that Lambda itself reports, in its words."""

from __future__ import annotations

import signal

from bridge.local.invocation import Failure

__all__ = ["exited", "init_timed_out", "out_of_memory", "throttled", "timed_out"]


def timed_out(id: str, seconds: float) -> Failure:
    return Failure("Sandbox.Timedout", f"RequestId: {id} Error: Task timed out after {seconds:.2f} seconds")


def init_timed_out(seconds: float) -> Failure:
    return Failure("Sandbox.Timedout", f"Error: The init phase or the restore took longer than {seconds:.2f} seconds")


def out_of_memory(limit: int, size: int) -> Failure:
    """`limit`: in MB. `size`: in bytes."""
    message = f"Error: Runtime exited with error: signal: killed. It used {size >> 20} MB of {limit} MB of memory."
    return Failure("Runtime.OutOfMemory", message)


def exited(status: int) -> Failure:
    """`status`: negative for a signal."""
    if status == 0:
        return Failure("Runtime.ExitError", "Error: Runtime exited without providing a reason")
    how = f"exit status {status}" if status > 0 else f"signal: {_name(-status)}"
    return Failure("Runtime.ExitError", f"Error: Runtime exited with error: {how}")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def throttled() -> Failure:
    return Failure("TooManyRequestsException", "Rate Exceeded.")
