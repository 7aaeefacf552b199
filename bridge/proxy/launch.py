"""The start of the web server, before an event loop and what forwards requests are imported."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.errors import OriginNotStarted, Terminated

if TYPE_CHECKING:
    from bridge.proxy.address import Address
    from bridge.proxy.process import OriginProcess
    from bridge.proxy.settings import OriginSettings

__all__ = ["ended_by_sigterm", "launch"]

# How long to wait for the end of an earlier server that still holds the address, in seconds, and how often to check.
PORT_GRACE = 1.0
_PAUSE = 0.01


def launch(process: OriginProcess, settings: OriginSettings) -> None:
    """Start the server, unless it was started already. Raises OriginNotStarted, also if its address is in use.

    Blocks for up to PORT_GRACE seconds, but only if the address is in use.
    """
    if process.is_started:
        return
    for address in {settings.address, settings.readiness_address}:
        _check_free(address)
    process.start()


@contextmanager
def ended_by_sigterm(process: OriginProcess) -> Iterator[None]:
    """End the server if the block fails, or is interrupted by SIGTERM: Python's own answer is to die immediately."""
    is_main = threading.current_thread() is threading.main_thread()
    is_free = is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_free:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except BaseException:
        process.end()
        raise
    finally:
        if is_free:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> None:
    raise Terminated(0)


def _check_free(address: Address) -> None:
    """Make sure that another program's server cannot be taken for ours. Raises OriginNotStarted."""
    end = time.monotonic() + PORT_GRACE
    while _is_listening(address):
        if time.monotonic() > end:
            raise OriginNotStarted(
                f"Another program listens at {address} already, so the web server cannot be started there. End it, or "
                "set another port with AWS_LWA_PORT."
            )
        time.sleep(_PAUSE)


def _is_listening(address: Address) -> bool:
    try:
        if address.uds is None:
            socket.create_connection((address.host, address.port), PORT_GRACE).close()
        else:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(address.uds)
    except OSError:
        return False
    return True
