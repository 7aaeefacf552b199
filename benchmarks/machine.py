"""Where and with what the figures were measured: without that they say nothing."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bridge._httpx import httpx

__all__ = ["machine_lines"]

_PACKAGES = (
    *("lambda-asgi-bridge", "mangum", "starlette", "uvicorn", "httptools", "anyio"),
    *("httpx", "httpx2", "h11", "click", "rich", "awslambdaric", "fastapi"),
)


def machine_lines(parser: str) -> list[str]:
    """`parser`: what uvicorn parses HTTP with."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{_cpu()}, {_cores()} cores, {platform.system()} {platform.machine()}"
    return [
        f"Machine: {where}; {python}; {datetime.now(UTC):%Y-%m-%d}.",
        f"Packages: {', '.join(filter(None, map(_package, _PACKAGES)))}.",
        f"Bridge and AsyncClient use {httpx.__name__}; uvicorn parses with {parser}.",
    ]


def _cpu() -> str:
    """The model's name; platform.processor() has none on most Linux distributions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown CPU"


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _package(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""
