"""Who runs a function under AWS's emulator: our own runtime, and AWS's with an adapter around the application.

The application is the same for all, in a module of `functions`. Our runtime alone takes it as it is.
"""

import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from tests.integration.rie import Emulator

from .browser import PAGE
from .events import SOURCES, fresh_events

__all__ = [
    *("BRIDGE", "EVENT", "FUNCTIONS", "FUNCTION_URL", "MANGUM", "MANGUM_OFF", "RIC_BRIDGE", "RUNTIMES"),
    *("Function", "ask", "check_answers", "command", "environ", "p99"),
]

FUNCTIONS = Path(__file__).resolve().parent / "functions"

BRIDGE = "bridge.runtime"
MANGUM = "awslambdaric, Mangum as it comes"
MANGUM_OFF = "awslambdaric, Mangum, lifespan off"
RIC_BRIDGE = "awslambdaric, Bridge as it comes"

# What follows `python -m`. Bridge under awslambdaric tells how much is the runtime's, and how much the adapter's.
RUNTIMES = {
    BRIDGE: ("bridge.runtime", "{app}:app"),
    MANGUM: ("awslambdaric", "mangum_handlers.as_it_comes"),
    MANGUM_OFF: ("awslambdaric", "mangum_handlers.lifespan_off"),
    RIC_BRIDGE: ("awslambdaric", "bridge_handlers.as_it_comes"),
}

FUNCTION_URL = next(iter(SOURCES))
EVENT = json.dumps(fresh_events(FUNCTION_URL, PAGE)()).encode()

_PATH = "/2015-03-31/functions/function/invocations"


def command(runtime: str, app: str) -> list[str]:
    return [sys.executable, "-m", *(argument.format(app=app) for argument in RUNTIMES[runtime])]


def environ(app: str) -> dict[str, str]:
    """Bytecode is written, as it is for a function that was deployed with care: the first run is not measured."""
    return {"APP": app, "PYTHONDONTWRITEBYTECODE": ""}


class Function:
    """One function under an emulator of its own, which starts the runtime at the first invocation."""

    def __init__(self, binary: Path, runtime: str, app: str, log_file: Path) -> None:
        self.name = runtime
        arguments: dict[str, Any] = {"command": command(runtime, app), "functions": FUNCTIONS, "log_file": log_file}
        self._emulator = Emulator(binary, "", None, environ(app), **arguments)

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
        """One invocation, from the request's first byte to the answer's last."""
        start = perf_counter()
        answer = ask(self._client, EVENT)
        taken = perf_counter() - start
        try:
            check_answers([answer])
        except ValueError as exc:
            exc.add_note(self._emulator.log())
            raise
        return taken


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


def p99(samples: Iterable[float]) -> float:
    """What 99 of 100 samples do not exceed."""
    return quantiles(samples, n=100)[-1]
