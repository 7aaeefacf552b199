"""The machine and the environment of a run: where the figures come from, and what would spoil them."""

import ctypes
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from bridge._httpx import httpx

__all__ = ["complaint", "keep_memory", "machine_lines"]

_PACKAGES = (
    *("lambda-asgi-bridge", "mangum", "awslambdaric", "starlette", "fastapi", "uvicorn", "httptools"),
    *("anyio", "httpx", "httpx2", "h11"),
)

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP = 1 << 30


def complaint() -> str:
    """Return what makes the figures wrong in this environment, and what to do; "" if nothing does.

    httpcore imports trio wherever it finds it, but no deployed function has it.
    """
    if find_spec("trio") is None:
        return ""
    return (
        "Expected an environment without trio, but it is installed: httpcore imports it, which adds 50 ms to cold "
        "starts. Run `nox -s bench`, or `pip install . --group bench` in an environment of its own."
    )


def machine_lines() -> list[str]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{_cpu()}, {_cores()} cores, {platform.system()} {platform.machine()}"
    parser = "httptools" if find_spec("httptools") else "h11"  # uvicorn's own rule
    return [
        f"Machine: {where}; {python}; {datetime.now(UTC):%Y-%m-%d}.",
        f"Packages: {', '.join(filter(None, map(_package, _PACKAGES)))}; trio {'yes' if find_spec('trio') else 'no'}.",
        f"The clients in this process use {httpx.__name__}; uvicorn parses with {parser}.",
    ]


def keep_memory() -> bool:
    """Tell glibc to keep what it once got; False where the C library is another one.

    It gives the top of the heap back to the kernel when enough of it is free, and then a megabyte costs hundreds of
    page faults. Whether a call of 1 MB meets that depends on what was allocated before it, so a figure would double
    from run to run. Kept memory is what every contestant finds at its best.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEEP) and mallopt(_M_MMAP_THRESHOLD, _KEEP))


def _cpu() -> str:
    """Return the model's name, which platform.processor() lacks on most Linux distributions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown CPU"


def _cores() -> int:
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _package(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""
