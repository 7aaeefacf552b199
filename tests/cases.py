"""Tables of cases inside one test."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest

__all__ = ["every_case"]

Test = Callable[..., None]


def every_case(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test with each of `cases` and report all that failed: `pytest.mark.parametrize` as a loop in one test.

    `names`: the arguments of the test that a case gives; the others are fixtures. The log starts empty in each case.
    """
    if isinstance(names, str):
        names, cases = (names,), ((case,) for case in cases)
    rows = [dict(zip(names, case, strict=True)) for case in cases]

    def decorated(test: Test) -> Test:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            failures: list[BaseException] = []
            for row in rows:
                if "caplog" in fixtures:
                    fixtures["caplog"].clear()
                try:
                    test(**fixtures, **row)
                except (Exception, pytest.fail.Exception) as exc:  # the latter from pytest.raises
                    exc.add_note(f"The case: {row!r:.500}")
                    failures.append(exc)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(rows)} cases failed", failures)

        parameters = inspect.signature(test).parameters
        rest = [parameter for name, parameter in parameters.items() if name not in names]
        run.__signature__ = inspect.Signature(rest)  # type: ignore[attr-defined]
        return run

    return decorated
