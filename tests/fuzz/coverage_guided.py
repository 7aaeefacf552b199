"""Coverage-guided fuzzing of what reads events and bytes: `python -m tests.fuzz.coverage_guided TARGET FOLDER`.

atheris watches which branches of the package a case takes, and changes the cases that found new ones. The targets
check the same properties as the tests. `FOLDER`: where the cases are kept. libFuzzer's options may follow, such as
`-runs=1000` or `-max_total_time=60`.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import atheris
from hypothesis import given, settings
from hypothesis import strategies as st

with atheris.instrument_imports(include=["bridge.sources", "bridge.runtime.api.http", "bridge.proxy.response_end"]):
    from tests.fuzz import test_wire
    from tests.fuzz.mutations import SOURCES, Mutated, mutated
    from tests.fuzz.test_mutated_events import SETTINGS, Served

Target = Callable[[bytes], object]


def events() -> Target:
    """Return a target that makes an event of the bytes, as Hypothesis makes it of random ones."""
    runner = asyncio.Runner()
    served = [Served(options) for options in SETTINGS]

    @settings(database=None, deadline=None)
    @given(case=st.sampled_from(SOURCES).flatmap(mutated), options=st.integers(0, len(SETTINGS) - 1))
    def check(case: Mutated, options: int) -> None:
        runner.run(served[options].answer(case.event(), "marker"))

    one_input: Target = check.hypothesis.fuzz_one_input  # type: ignore[attr-defined]  # Hypothesis adds it
    return one_input


def replies() -> Target:
    """Return a target that reads the bytes as a reply of the Runtime API."""
    return lambda data: test_wire.check_reply(data, 3)


def responses() -> Target:
    """Return a target that looks for the end of the bytes as an origin's response."""
    return lambda data: test_wire.check_end(data, 3, has_body=True)


TARGETS = {target.__name__: target for target in (events, replies, responses)}


def main(target: str, folder: str, *options: str) -> None:
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    for number, response in enumerate(test_wire.RESPONSES if target != "events" else []):
        Path(folder, f"seed{number}").write_bytes(response)
    atheris.Setup([target, *options, folder], TARGETS[target]())
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
