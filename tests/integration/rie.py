"""A Lambda function under AWS's own Runtime Interface Emulator, invoked with boto3.

https://github.com/aws/aws-lambda-runtime-interface-emulator

The emulator starts the runtime at the first invocation, and crashes on a second one at the same time: invoke one after
the other, and give every test that breaks something an emulator of its own. Many at a time are for managed.py.
"""

import json
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.integration.emulator_process import FUNCTIONS, HOST, START_TIMEOUT, EmulatorProcess
from tests.integration.pypi import fetch_from_wheel

__all__ = ["Answer", "Emulator", "fetch_emulator", "missing_platform"]

# What `uname -m` says -> what AWS calls the emulator that runs there.
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def missing_platform() -> str | None:
    """Return why AWS's emulator cannot run on this machine, or None."""
    if sys.platform == "linux" and platform.machine() in _ARCHITECTURES:
        return None
    return f"The Runtime Interface Emulator exists for Linux on x86_64 and arm64, not for {platform.platform()}."


def fetch_emulator(cache: Path) -> Path:
    """Return the emulator's binary, which AWS ships inside the wheel of its SAM command line."""
    name = f"aws-lambda-rie-{_ARCHITECTURES[platform.machine()]}"
    return fetch_from_wheel("aws-sam-cli>=1.140", f"samcli/local/rapid/{name}", cache / name)


class Answer(NamedTuple):
    """The answer to the invoker: the HTTP status, and the function's JSON. An invocation error is a 200 here, too."""

    status: int
    payload: Any


class Emulator(EmulatorProcess):
    """One execution environment: `python -m awslambdaric HANDLER` in the folder of functions, under the emulator.

    `command` takes the place of the whole of that: any runtime with all its arguments. `journal`: a file that the
    function writes, its path in the function's JOURNAL variable. `log_file`: see `EmulatorProcess`.
    """

    def __init__(
        self,
        binary: Path,
        handler: str,
        journal: Path | None,
        environ: Mapping[str, str] | None = None,
        *,
        command: Sequence[str] | None = None,
        functions: Path = FUNCTIONS,
        log_file: Path | None = None,
    ) -> None:
        super().__init__(functions=functions, journal=journal, environ=environ, log_file=log_file)
        self._binary = binary
        self._bootstrap = command or [sys.executable, "-m", "awslambdaric", handler]

    def invoke(self, event: object, **about: Any) -> Answer:
        """Invoke the function with boto3, and wait for its answer. `about`: see `Invoker.invoke`."""
        status, _, body = self.exchange(event, **about)
        return Answer(status, json.loads(body))

    def runtime_pid(self) -> int:
        """Return the process id of the runtime, which the first invocation starts."""
        (pid,) = self.runtime_pids()
        return pid

    def _command(self, addresses: Sequence[str]) -> Sequence[str | Path]:
        return [self._binary, *addresses, *self._bootstrap]

    def _wait_until_up(self) -> None:
        """Wait until the port is open, which says nothing about the runtime."""
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)  # Nothing reports that a port is open now.
            else:
                return
        raise AssertionError(f"The emulator does not listen on port {self.port}:\n{self.log()}")
