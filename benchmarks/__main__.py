"""One run: measure, then print the tables. It ends with 0 whatever the figures are; only a wrong answer stops it."""

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

from .allocator import keep_memory
from .exchanges import measure_exchanges
from .hop_report import hop_tables
from .hops import measure_hops
from .imports import measure_imports
from .machine import machine_lines
from .report import exchange_tables, import_tables
from .runtime_section import runtime_tables
from .tables import Table, as_markdown, as_text
from .web_server import PARSER

ROUNDS = 40
BIG_ROUNDS = 30
HOP_ROUNDS = 200
IMPORT_RUNS = 25
RUNTIME_ROUNDS = 100
COLD_STARTS = 20
MEMORY_RUNS = 3
STREAM_ROUNDS = 500


class _Rounds(NamedTuple):
    small: int
    big: int
    hops: int
    imports: int
    runtimes: int
    cold_starts: int
    memory: int
    streams: int


_FEW = _Rounds(small=6, big=3, hops=10, imports=2, runtimes=2, cold_starts=2, memory=1, streams=10)
_ALL = _Rounds(
    small=ROUNDS,
    big=BIG_ROUNDS,
    hops=HOP_ROUNDS,
    imports=IMPORT_RUNS,
    runtimes=RUNTIME_ROUNDS,
    cold_starts=COLD_STARTS,
    memory=MEMORY_RUNS,
    streams=STREAM_ROUNDS,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure bridge beside everything it compares to.")
    parser.add_argument("--markdown", action="store_true", help="print the tables for the documentation")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs, not to publish")
    parser.add_argument("--only", choices=_SECTIONS, help="one part of the measurements")
    arguments = parser.parse_args()
    kept = keep_memory()
    rounds = _FEW if arguments.quick else _ALL
    sections = [measure for name, measure in _SECTIONS.items() if arguments.only in (None, name)]
    tables = [table for measure in sections for table in measure(rounds)]
    lines = [*machine_lines(PARSER), _method(rounds, kept=kept)]
    render = as_markdown if arguments.markdown else as_text
    sys.stdout.write("\n\n".join(["\n".join(lines), *map(render, tables)]) + "\n")


_SECTIONS: dict[str, Callable[[_Rounds], list[Table]]] = {
    "exchanges": lambda rounds: exchange_tables(measure_exchanges(rounds=rounds.small, big_rounds=rounds.big)),
    "proxy": lambda rounds: hop_tables(measure_hops(rounds=rounds.hops, big_rounds=rounds.big)),
    "imports": lambda rounds: import_tables(measure_imports(runs=rounds.imports), rounds.imports),
    "runtime": lambda rounds: runtime_tables(
        rounds=rounds.runtimes,
        runs=rounds.cold_starts,
        memory_runs=rounds.memory,
        stream_rounds=rounds.streams,
    ),
}


def _method(rounds: _Rounds, *, kept: bool) -> str:
    return (
        f"Method: all take turns, {rounds.small} rounds of about 2 ms each for small bodies ({rounds.hops} where Proxy "
        f"takes part) and {rounds.big} for big ones, after a warm-up and a check of every answer; inputs made off the "
        "clock, new strings for every event; garbage collector on, what was alive before is frozen; "
        f"freed memory {'kept by the process' if kept else 'handled as the C library does'}. "
        "Differences and ratios: within a round, then their median. Runtimes: as their tables say."
    )


if __name__ == "__main__":
    main()
