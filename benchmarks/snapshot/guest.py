"""The first process of the machine: it is Lambda for the functions there, and answers the host over a serial port.

here -> host   "warm, with PYTHON": every function has just answered, or has primed itself
host -> here   "restored SEED": the machine goes on, from its snapshot
here -> host   the outcomes, one JSON document
"""

import fcntl
import json
import os
import platform
import struct
import subprocess
import sys
import time
import tty
from pathlib import Path

from benchmarks.snapshot.contestants import CONTESTANTS, Contestant
from benchmarks.snapshot.servers import late_requests
from benchmarks.snapshot.servers import start as start_servers
from tests.events import load
from tests.runtime.double import Answer, RuntimeDouble

__all__: list[str] = []

_PORT = "/dev/ttyS1"
_PRIMING = Path("/tmp/priming")

# Seconds that anything may take here: the processor is emulated.
_LIMIT = 300.0

# Status and body.
Outcome = tuple[int, str]

# <linux/random.h>
_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207


class _Function:
    """A function's process, and the Runtime API that it asks."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self._api = RuntimeDouble(snapstart=contestant.is_snap_start).__enter__()
        priming = {"PRIMING": str(_PRIMING), "PRIMING_METHOD": contestant.methods[0]} if contestant.is_primed else {}
        environ = {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "snapshot",
            "LAMBDA_TASK_ROOT": "/opt",
        }
        command = [sys.executable, "-m", "bridge.runtime", f"benchmarks.snapshot.functions.{contestant.module}.handler"]
        self._process = subprocess.Popen(
            command, env=os.environ | environ | priming | contestant.environ, stdin=subprocess.DEVNULL
        )

    def wait_until_started(self) -> None:
        """Return when it waits for an event, for the snapshot, or for the moment before that."""
        if not self.contestant.is_snap_start:
            self._api.wait_for_polls(len(self.contestant.methods), _LIMIT)
        elif not self.contestant.is_primed:
            self.wait_for_snapshot()

    def wait_for_snapshot(self) -> None:
        self._api.wait_for_snapshot(_LIMIT)

    def answers_after_restore(self) -> list[Outcome]:
        if self.contestant.is_snap_start:
            self._api.restore()
        return self.answers()

    def answers(self) -> list[Outcome]:
        """Send the requests, concurrently, and wait for the responses."""
        path = {"rawPath": self.contestant.path, "requestContext__http__path": self.contestant.path}
        events = [
            load("function_url", requestContext__http__method=method, **path) for method in self.contestant.methods
        ]
        sent = [self._api.invoke(event, deadline=_LIMIT) for event in events]
        return [_outcome(invocation.answer(_LIMIT)) for invocation in sent]


def main() -> None:
    start_servers()
    functions = [_Function(contestant) for contestant in CONTESTANTS]
    for function in functions:
        function.wait_until_started()
    port = _Port(_PORT)
    _warm_up(functions)
    before = time.time(), time.monotonic()
    port.write(f"warm, with {platform.python_implementation()} {platform.python_version()}")
    seed = port.read().removeprefix("restored ")
    _set_clock()
    after = time.time(), time.monotonic()
    _reseed_kernel(bytes.fromhex(seed))
    # In turns, as if each had a machine of its own: the emulated processor would keep all of them waiting.
    outcomes, late = {}, {}
    for function in functions:
        late_before = late_requests()
        outcomes[function.contestant.name] = function.answers_after_restore()
        late[function.contestant.name] = late_requests() - late_before
    wall, monotonic = (now - then for now, then in zip(after, before, strict=True))
    port.write(json.dumps({"wall": wall, "monotonic": monotonic, "outcomes": outcomes, "late": late}))


def _warm_up(functions: list[_Function]) -> None:
    """Leave connections in every pool that are as young as can be."""
    others = [function for function in functions if not function.contestant.is_snap_start]
    for function in others:
        function.answers()  # imports and makes what the first invocation needs
    _PRIMING.touch()
    for function in functions:
        if function.contestant.is_snap_start:
            function.wait_for_snapshot()
    for function in others:
        outcomes = function.answers()
        if any(status != 200 for status, _ in outcomes):
            raise RuntimeError(f"Expected answers with 200 from {function.contestant.name}, but got {outcomes}.")


def _outcome(answer: Answer) -> Outcome:
    """Return the response's status and body; the status is 0 if the invocation failed, or the stream broke."""
    if answer.kind == "error" or not answer.is_whole or answer.trailers:
        return 0, answer.body.decode(errors="replace")
    if answer.has_prelude:
        return answer.prelude["statusCode"], answer.payload.decode()
    return answer.json["statusCode"], answer.json["body"]


class _Port:
    """A serial port, over which lines go to and from the host."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._fd)
        self._file = os.fdopen(self._fd, "rb", buffering=0)

    def read(self) -> str:
        return self._file.readline().decode().strip()

    def write(self, line: str) -> None:
        data = f"{line}\n".encode()
        while data:
            data = data[os.write(self._fd, data) :]


def _set_clock() -> None:
    """Set the wall clock from the machine's own clock, which did not stop."""
    time.clock_settime(time.CLOCK_REALTIME, int(Path("/sys/class/rtc/rtc0/since_epoch").read_text()))


def _reseed_kernel(seed: bytes) -> None:
    """Seed the kernel's random numbers again, as its driver for Firecracker's VM generation ID does.

    Debian's cloud kernel is built without that driver.
    """
    with open("/dev/urandom", "wb") as device:
        fcntl.ioctl(device, _RNDADDENTROPY, struct.pack(f"ii{len(seed)}s", len(seed) * 8, len(seed), seed))
        fcntl.ioctl(device, _RNDRESEEDCRNG)


if __name__ == "__main__":
    main()
