"""The start of the web server, before the modules that forward requests are imported."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from bridge.errors import OriginNotStarted

if TYPE_CHECKING:
    from bridge.proxy.address import Address
    from bridge.proxy.process import OriginProcess
    from bridge.proxy.settings import OriginSettings

__all__ = ["launch"]

# How long to wait for the end of an earlier server that still holds the address, in seconds, and how often to check.
PORT_GRACE = 1.0
_PAUSE = 0.01


def launch(process: OriginProcess, settings: OriginSettings) -> None:
    """Start the server, unless it was started already. Raises OriginNotStarted, also if its address is in use.

    Blocks for up to PORT_GRACE seconds, but only if the address is in use.
    """
    if process.is_started:
        return
    _check_free(settings.address, settings.how_to_set_address)
    if settings.readiness_address != settings.address:
        _check_free(settings.readiness_address, settings.how_to_set("readiness_port"))
    process.start()


def _check_free(address: Address, how_to_set: str) -> None:
    """Make sure that another program's server cannot be taken for ours. Raises OriginNotStarted."""
    end = time.monotonic() + PORT_GRACE
    while _is_listening(address):
        if time.monotonic() > end:
            raise OriginNotStarted(
                f"Another program listens at {address} already, so the web server cannot be started there. End it, or "
                f"set another address with {how_to_set}, and in the command."
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
