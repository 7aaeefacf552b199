"""The failures that Lambda itself reports, in its words, and the one that only a gateway has: its own end."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from bridge.local.invocation import THROTTLED, Failure

__all__ = ["crashed", "ended", "exited", "init_timed_out", "out_of_memory", "throttled", "timed_out"]


def timed_out(id: str, seconds: float) -> Failure:
    return Failure("Sandbox.Timedout", f"RequestId: {id} Error: Task timed out after {seconds:.2f} seconds")


def init_timed_out(seconds: float, missing: Sequence[str] = ()) -> Failure:
    """`missing`: the names of the external extensions that have not registered."""
    message = f"Error: The init phase or the restore took longer than {seconds:.2f} seconds"
    waited = f". No extension has registered as {', '.join(missing)}: an extension has the name of its file"
    return Failure("Sandbox.Timedout", message + (waited if missing else ""))


def out_of_memory(limit: int, size: int) -> Failure:
    """`limit`: in MB. `size`: in bytes."""
    message = f"Error: Runtime exited with error: signal: killed. It used {size >> 20} MB of {limit} MB of memory."
    return Failure("Runtime.OutOfMemory", message)


def exited(status: int) -> Failure:
    """`status`: negative for a signal."""
    if status == 0:
        return Failure("Runtime.ExitError", "Error: Runtime exited without providing a reason")
    return Failure("Runtime.ExitError", f"Error: Runtime exited with error: {_how(status)}")


def _how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal: {_name(-status)}"


def crashed(extension: str, status: int) -> Failure:
    """`status`: of the process of an external extension; negative for a signal."""
    return Failure("Extension.Crash", f"Error: The extension {extension} ended: {_how(status)}")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def ended() -> Failure:
    return Failure("Gateway.Ended", "The local gateway has ended before the function answered.")


def throttled() -> Failure:
    return Failure(THROTTLED, "Rate Exceeded.")
