"""The section about runtimes: what can be measured on this machine, and a line for what cannot."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.integration.managed import missing_platform_for_managed_instances
from tests.integration.pypi import cache_folder
from tests.integration.rie import fetch_emulator, missing_platform

from .runtime_memory import measure_memory
from .runtime_report import cold_start_tables, latency_tables, memory_tables, not_measured, stream_tables
from .runtime_streams import measure_streams
from .runtime_times import measure_cold_starts, measure_latencies
from .tables import Table

__all__ = ["runtime_tables"]

# What the functions import; machine_lines says which versions they are.
_NEEDED = ("awslambdaric", "fastapi", "mangum", "starlette")


def runtime_tables(*, rounds: int, runs: int, memory_runs: int, stream_rounds: int) -> list[Table]:
    """The tables, in order. `runs`: cold starts of each."""
    return list(_tables(rounds, runs, memory_runs, stream_rounds))


def _tables(rounds: int, runs: int, memory_runs: int, stream_rounds: int) -> Iterator[Table]:
    binary = _emulator()
    if isinstance(binary, str):
        yield not_measured("Runtimes under AWS's emulator", binary)
    else:
        yield from latency_tables(measure_latencies(binary, rounds=rounds))
        yield from cold_start_tables(measure_cold_starts(binary, runs=runs), runs)
        yield from _memory_tables(binary, memory_runs)
    yield from stream_tables(measure_streams(rounds=stream_rounds))


def _memory_tables(binary: Path, runs: int) -> list[Table]:
    if reason := missing_platform_for_managed_instances():
        return [not_measured("Memory of many slots", reason)]
    return memory_tables(measure_memory(binary, runs=runs))


def _emulator() -> Path | str:
    """The emulator's binary, or why there is none."""
    absent = [package for package in _NEEDED if find_spec(package) is None]
    if absent:
        return f"not installed: {', '.join(absent)}."
    if reason := missing_platform():
        return reason
    try:
        return fetch_emulator(cache_folder())
    except RuntimeError as exc:
        return f"the emulator cannot be had. {exc}"
