"""One run: measure, then print the tables. It ends with 0 whatever the figures are; only a wrong answer stops it."""

import argparse
import sys

from .allocator import keep_memory
from .exchanges import measure_exchanges
from .imports import measure_imports
from .machine import machine_lines
from .report import exchange_tables, import_tables
from .tables import as_markdown, as_text
from .web_server import PARSER

ROUNDS = 40
BIG_ROUNDS = 30
IMPORT_RUNS = 25


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure bridge beside everything it compares to.")
    parser.add_argument("--markdown", action="store_true", help="print the tables for the documentation")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs, not to publish")
    arguments = parser.parse_args()
    kept = keep_memory()
    rounds, big_rounds, import_runs = (6, 3, 2) if arguments.quick else (ROUNDS, BIG_ROUNDS, IMPORT_RUNS)
    tables = [
        *exchange_tables(measure_exchanges(rounds=rounds, big_rounds=big_rounds)),
        *import_tables(measure_imports(runs=import_runs), import_runs),
    ]
    lines = [*machine_lines(PARSER), _method(rounds, big_rounds, kept=kept)]
    render = as_markdown if arguments.markdown else as_text
    sys.stdout.write("\n\n".join(["\n".join(lines), *map(render, tables)]) + "\n")


def _method(rounds: int, big_rounds: int, *, kept: bool) -> str:
    return (
        f"Method: all take turns, {rounds} rounds of about 2 ms each for small bodies and {big_rounds} for big ones, "
        "after a warm-up and a check of every answer; inputs made off the clock, new strings for every event; garbage "
        "collector on, what was alive before is frozen; "
        f"freed memory {'kept by the process' if kept else 'handled as the C library does'}. "
        "Differences and ratios: within a round, then their median."
    )


if __name__ == "__main__":
    main()
