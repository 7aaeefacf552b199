"""The measurement of imports: CPU time in a fresh process, because a cold start is CPU time.

Wall-clock time on a busy machine would measure its neighbours. What a variant must not have is blocked by a None in
sys.modules, with which Python refuses an import just as if the package were not installed.
"""

import subprocess
import sys
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple

from .rounds import Figure

__all__ = ["IMPORTS", "Import", "measure_imports"]

_STARLETTE = "import starlette.applications, starlette.responses, starlette.routing"

# Nothing runs an ASGI application without an event loop. Up to Python 3.12 Starlette imports asyncio itself; later the
# first to need it does, and would seem to cost it.
_READY = f"{_STARLETTE}, asyncio"

# httpx loads its command line where these are installed, so all variants but those about that go without.
_CLI = ("click", "rich")

_PROGRAM = """
import sys, time
sys.modules.update(dict.fromkeys({blocked!r}))
{before}
start = time.process_time()
{statement}
print(time.process_time() - start)
"""


class Import(NamedTuple):
    """`statement` is timed, `before` is not; `needs` must be installed, and `blocked` seems not to be."""

    name: str
    statement: str
    before: str = _READY
    needs: tuple[str, ...] = ()
    blocked: tuple[str, ...] = _CLI


IMPORTS = (
    Import("starlette", _STARLETTE, before=""),
    Import("asyncio, after starlette alone", "import asyncio", before=_STARLETTE),
    Import("httpx", "import httpx", needs=("httpx",)),
    Import("bridge, with httpx", "import bridge", needs=("httpx",), blocked=(*_CLI, "httpx2")),
    Import("httpx2", "import httpx2", needs=("httpx2",)),
    Import("bridge, with httpx2", "import bridge", needs=("httpx2",), blocked=(*_CLI, "httpx")),
    Import("h11", "import h11", needs=("h11",)),
    Import("mangum", "import mangum"),
    Import("click and rich installed: httpx", "import httpx", needs=("httpx", *_CLI), blocked=()),
    Import(
        "click and rich installed: bridge, with httpx", "import bridge", needs=("httpx", *_CLI), blocked=("httpx2",)
    ),
    Import("httpx imported before: bridge", "import bridge", before=f"{_READY}; import httpx", needs=("httpx",)),
    Import("httpx2 imported before: bridge", "import bridge", before=f"{_READY}; import httpx2", needs=("httpx2",)),
)


def measure_imports(*, runs: int) -> dict[str, Figure]:
    """Milliseconds for every variant whose packages are installed. They take turns; the first run writes bytecode."""
    variants = [variant for variant in IMPORTS if all(map(find_spec, variant.needs))]
    samples: dict[str, list[float]] = {variant.name: [] for variant in variants}
    sys.stderr.write("measuring imports\n")
    for variant in variants:
        _milliseconds(variant)
    for _ in range(runs):
        for variant in variants:
            samples[variant.name].append(_milliseconds(variant))
    return {name: Figure(median(times), min(times)) for name, times in samples.items()}


def _milliseconds(variant: Import) -> float:
    program = _PROGRAM.format(blocked=variant.blocked, before=variant.before, statement=variant.statement)
    command = [sys.executable, "-I", "-c", program]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return float(run.stdout) * 1000
