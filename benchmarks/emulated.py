"""Functions under AWS's Runtime Interface Emulator, in its classic mode: one invocation at a time.

An invocation is measured at its caller. The emulator answers that one when the runtime asks for the next event, so all
that a runtime does for an invocation counts. It starts the runtime at the first invocation.
"""

import ctypes
import json
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.browser import PAGE
from benchmarks.events import SOURCES, fresh_events
from benchmarks.tables import Table, not_measured
from tests.integration.pypi import cache_folder
from tests.integration.rie import Emulator, fetch_emulator, missing_platform

__all__ = [
    *("BRIDGE", "EVENT", "FUNCTIONS", "FUNCTION_URL", "MANGUM", "MANGUM_OFF", "RIC_BRIDGE", "RUNTIMES"),
    *("Function", "Memory", "ask", "check_answers", "command", "emulator_or_reason", "environ", "memory_of", "turn"),
]

FUNCTIONS = Path(__file__).resolve().parent / "functions"

BRIDGE = "bridge.runtime"
MANGUM = "awslambdaric, Mangum as it comes"
MANGUM_OFF = "awslambdaric, Mangum, lifespan off"
RIC_BRIDGE = "awslambdaric, Bridge as it comes"

# The arguments of `python -m`. Bridge under awslambdaric tells the runtime's share from the adapter's.
RUNTIMES = {
    BRIDGE: ("bridge.runtime", "{app}:app"),
    MANGUM: ("awslambdaric", "mangum_handlers.as_it_comes"),
    MANGUM_OFF: ("awslambdaric", "mangum_handlers.lifespan_off"),
    RIC_BRIDGE: ("awslambdaric", "bridge_handlers.as_it_comes"),
}

FUNCTION_URL = next(iter(SOURCES))
EVENT = json.dumps(fresh_events(FUNCTION_URL, PAGE)()).encode()

_PATH = "/2015-03-31/functions/function/invocations"

# What the functions import; the head of the output says which versions they are.
_NEEDED = ("awslambdaric", "fastapi", "mangum", "starlette")


def emulator_or_reason(title: str) -> Path | list[Table]:
    """Return the emulator's binary, or what to print in place of the table because there is none."""
    if absent := [package for package in _NEEDED if find_spec(package) is None]:
        return [not_measured(title, f"not installed: {', '.join(absent)}.")]
    if reason := missing_platform():
        return [not_measured(title, reason)]
    try:
        return fetch_emulator(cache_folder())
    except RuntimeError as exc:
        return [not_measured(title, f"the emulator cannot be downloaded. {exc}")]


def command(runtime: str, app: str) -> list[str]:
    return [sys.executable, "-m", *(argument.format(app=app) for argument in RUNTIMES[runtime])]


def environ(app: str) -> dict[str, str]:
    """Return the variables. Bytecode is written in the first run, which is not measured."""
    return {"APP": app, "PYTHONDONTWRITEBYTECODE": ""}


class Memory(NamedTuple):
    """Megabytes of all processes of a runtime. `pss`: what they share counts once."""

    pss: float
    processes: int


class Function:
    """One function under an emulator of its own. `command`: the runtime with all its arguments."""

    def __init__(self, binary: Path, command: Sequence[str], environ: Mapping[str, str], log_file: Path) -> None:
        arguments: dict[str, Any] = {"command": command, "functions": FUNCTIONS, "log_file": log_file}
        self._emulator = Emulator(binary, "", None, environ, **arguments)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._emulator)
            self._client = HTTPConnection("127.0.0.1", self._emulator.port, timeout=60)
            self._client.connect()
            stack.callback(self._client.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def seconds(self) -> float:
        """Return the seconds of one invocation, from the request's first byte to the answer's last."""
        start = time.perf_counter()
        answer = ask(self._client, EVENT)
        taken = time.perf_counter() - start
        try:
            check_answers([answer])
        except ValueError as exc:
            exc.add_note(self._emulator.log())
            raise
        return taken

    def cpu_seconds(self) -> float:
        """The CPU time that all processes of the runtime have used up to now, user and system."""
        return sum(map(_cpu_seconds, self._pids()))

    def memory(self) -> Memory:
        return memory_of(self._pids())

    def _pids(self) -> set[int]:
        """Return the processes of the emulator's session and their descendants: Proxy's server has its own session."""
        return set().union(*map(_with_descendants, self._emulator.runtime_pids()))


def turn(function: Function, calls: int) -> list[float]:
    """Return the microseconds of each invocation. A first one, which fills the processor's caches, is not counted."""
    function.seconds()
    return [function.seconds() * 1e6 for _ in range(calls)]


def ask(client: HTTPConnection, event: bytes) -> bytes:
    client.request("POST", _PATH, event)
    return client.getresponse().read()


def check_answers(answers: Iterable[bytes]) -> None:
    """Raise ValueError unless all are that of PAGE."""
    for answer in answers:
        if _page_of(answer) != PAGE.answer:
            raise ValueError(f"Expected a function's result with {PAGE.answer!r}, but got {answer[:1000]!r}")


def _page_of(answer: bytes) -> bytes | None:
    try:
        result = json.loads(answer)
        return str(result["body"]).encode() if result["statusCode"] == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


def _with_descendants(pid: int) -> set[int]:
    """https://docs.kernel.org/filesystems/proc.html: each thread knows the children that it has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text(encoding="ascii").split()]
    return {pid}.union(*map(_with_descendants, children))


def _cpu_seconds(pid: int) -> float:
    """Read the process's CPU clock, which has nanoseconds; /proc/PID/stat has hundredths of a second.

    https://pubs.opengroup.org/onlinepubs/9799919799/functions/clock_getcpuclockid.html
    """
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(error, f"There is no CPU clock of process {pid}.")
    return time.clock_gettime(clock.value)


def memory_of(pids: Collection[int]) -> Memory:
    """Read lines such as `Pss:    1234 kB` (https://docs.kernel.org/filesystems/proc.html)."""
    kilobytes = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return Memory(kilobytes / 1024, len(pids))
