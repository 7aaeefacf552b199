"""The start of the web server, before httpx, asyncio and the modules that forward requests are imported."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.errors import ConfigurationError, OriginNotStarted
from bridge.proxy.process import OriginProcess
from bridge.settings import child_environment
from bridge.signals import sigterm

if TYPE_CHECKING:
    from bridge.proxy.address import Address
    from bridge.proxy.settings import OriginSettings

__all__ = ["launch", "launch_for_init", "origin_process"]

# How long to wait for the end of an earlier server that still holds the address, in seconds, and how often to check.
PORT_GRACE = 1.0
_PAUSE = 0.01


def origin_process(command: object, settings: OriginSettings) -> OriginProcess:
    """Return the process of a command, which is not started yet. Raises ConfigurationError."""
    if isinstance(command, str | bytes) or not isinstance(command, Sequence) or not command:
        raise ConfigurationError(
            f"Expected the command as a list, such as ['gunicorn', 'shop.wsgi'], but got {command!r:.200}. "
            "No shell parses it."
        )
    environment = child_environment()
    if not settings.uds:
        environment["PORT"] = str(settings.port)  # gunicorn and many frameworks read it
    return OriginProcess([str(part) for part in command], env=environment)


def launch_for_init(process: OriginProcess, settings: OriginSettings) -> None:
    """Do the same as `launch`, before there is a handler that ends the process on SIGTERM."""
    if not process.is_started:
        sigterm.shut_down(process)
        launch(process, settings)


def launch(process: OriginProcess, settings: OriginSettings) -> None:
    """Start the server, unless it was started already. Raises OriginNotStarted, also if its address is in use.

    Blocks for up to PORT_GRACE seconds, but only if the address is in use.
    """
    if process.is_started:
        return
    for address in {settings.address, settings.readiness_address}:
        _check_free(address)
    process.start()


def _check_free(address: Address) -> None:
    """Make sure that another program's server cannot be taken for ours. Raises OriginNotStarted."""
    end = time.monotonic() + PORT_GRACE
    while _is_listening(address):
        if time.monotonic() > end:
            raise OriginNotStarted(
                f"Another program listens at {address} already, so the web server cannot be started there. End it, or "
                "give Proxy another address: its arguments, or else AWS_LWA_PORT or BRIDGE_UDS."
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
