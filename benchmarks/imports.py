"""Imports: CPU time in fresh processes, because a cold start is CPU time, and instructions, the same on any day.

Wall-clock time on a busy machine would measure its neighbours.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

from benchmarks.rounds import Figures, take_turns
from benchmarks.tables import MEDIAN, Table, not_measured, shown

__all__ = ["tables"]

RUNS, QUICK_RUNS = 25, 2

# Half of the 33 million instructions that `import bridge` cost before, without httpx.
GOAL = 16.5e6

_STARLETTE = "import starlette.applications, starlette.responses, starlette.routing"

# No ASGI application runs without an event loop. Up to Python 3.12 Starlette imports asyncio itself; later the first
# module that needs it does, and it would seem to cost that one.
_READY = f"{_STARLETTE}, asyncio"

# httpx imports its command line where it finds these, which uvicorn brings here, but a function does not have.
_WITHOUT_CLI = "import sys; sys.modules.update(click=None, rich=None)"

_TIMED = "import time; start = time.process_time(); {statement}; print(time.process_time() - start)"


class Import(NamedTuple):
    """`statement` is measured, in a process in which `before` was imported; `needs` must be installed."""

    name: str
    statement: str
    before: str = _READY
    needs: str = "starlette"


IMPORTS = (
    Import("starlette", _STARLETTE, before="pass"),
    Import("fastapi", "import fastapi", needs="fastapi"),
    Import("httpx", "import httpx"),
    Import("httpx2", "import httpx2", needs="httpx2"),
    Import("mangum", "import mangum"),
    Import("mangum, awslambdaric", "import mangum, awslambdaric.__main__", needs="awslambdaric"),
    Import("bridge, after httpx", "import bridge", before=f"{_READY}, httpx"),
    Import("bridge, after httpx2", "import bridge", before=f"{_READY}, httpx2", needs="httpx2"),
    Import("bridge, its runtime, after httpx", "import bridge.runtime.process", before=f"{_READY}, httpx"),
    Import("bridge, Proxy, after httpx2", "import bridge.proxy", before=f"{_READY}, httpx2", needs="httpx2"),
)


def tables(quick: bool) -> list[Table]:
    variants = [variant for variant in IMPORTS if find_spec(variant.needs)]
    return [_cpu_times(variants, QUICK_RUNS if quick else RUNS), _instructions(variants[:1] if quick else variants)]


def _cpu_times(variants: list[Import], runs: int) -> Table:
    """Measure the CPU time of each import. The first run of each, which writes bytecode, does not count."""

    for variant in variants:
        _milliseconds(variant)
    figures = Figures(take_turns({variant.name: partial(_milliseconds, variant) for variant in variants}, runs))
    rows = [[name, shown(figures.time(name))] for name in figures.names]
    title = f"Import: ms of CPU time in a fresh process, {runs} runs; all but the first after starlette and asyncio"
    return Table(title, [MEDIAN], rows)


def _milliseconds(variant: Import) -> float:
    program = f"{_WITHOUT_CLI}; {variant.before}; {_TIMED.format(statement=variant.statement)}"
    return float(_run([], program).stdout) * 1000


def _instructions(variants: list[Import]) -> Table:
    """Return the instructions of a process with the import, less those of one without it."""
    title = "Import: millions of instructions"
    if shutil.which("valgrind") is None:
        return not_measured(title, "valgrind is not installed, whose callgrind counts instructions.")
    counted = {variant.name: _counted(f"{variant.before}; {variant.statement}") for variant in variants}
    without = {before: _counted(before) for before in dict.fromkeys(variant.before for variant in variants)}
    own = {variant.name: counted[variant.name] - without[variant.before] for variant in variants}
    rows = [[name, f"{count / 1e6:.1f}{_verdict(name, count)}"] for name, count in own.items()]
    goal = f"Goal: `import bridge` at most {GOAL / 1e6} beyond starlette and httpx."
    method = "The process with the import, less the process without it: `valgrind --tool=callgrind`, PYTHONHASHSEED=0."
    return Table(title, ["instructions"], rows, [f"{method} {goal}"])


def _verdict(name: str, count: int) -> str:
    if name != "bridge, after httpx":
        return ""
    return " met" if count <= GOAL else " missed"


def _counted(program: str) -> int:
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    output = _run(valgrind, f"{_WITHOUT_CLI}; {program}").stderr
    found = re.search(r"Collected : (\d+)", output)
    if found is None:
        raise ValueError(f"Expected 'Collected : NUMBER' from callgrind, but got {output[-1000:]!r}")
    return int(found[1])


def _run(prefix: list[str], program: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process without the caller's Python settings and without its folder in the path."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONHASHSEED": "0"}
    command = [*prefix, sys.executable, "-s", "-P", "-c", program]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
