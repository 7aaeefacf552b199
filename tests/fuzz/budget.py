"""How many cases each property gets: a few in the ordinary tests, many in the nox session `fuzz`."""

import os

from hypothesis import HealthCheck, settings

__all__ = ["FACTOR", "cases"]

# The nox session `fuzz` sets it. Read at import: a fixture removes such variables from every test.
FACTOR = int(os.environ.get("BRIDGE_TEST_FUZZ", "1"))


def cases(ordinary: int) -> settings:
    """Return the settings of a property: `ordinary` cases in the ordinary tests, the same ones in every run.

    The session `fuzz` draws FACTOR times as many, and others in each run. A case has no time limit of its own,
    because the machine may be busy: the fixture `_no_hang` limits the test.
    """
    return settings(
        max_examples=ordinary * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
