"""What the restores say: tables, and whatever is not as expected."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.snapshot.contestants import Contestant
from benchmarks.tables import Table

__all__ = ["Restore", "faults", "tables"]

ORIGIN, DATABASE = "origin", "database"

# It repeats, which shows that the restored machines are alike.
_REPEATED = "a `random.Random` of the application"
_MAY_REPEAT = (_REPEATED, "a name of `tempfile`")


class Restore(NamedTuple):
    """One restore of the machine. `wall` and `monotonic`: how far its clocks went from the last answer before it, in s.

    `outcomes`: of each function, status and body of each response; the status is 0 if there was none. `late`: how many
    of its requests came to the web server over a dead connection, repeated ones included.
    """

    wall: float
    monotonic: float
    outcomes: dict[str, list[tuple[int, str]]]
    late: dict[str, int]


def faults(contestants: Sequence[Contestant], restores: Sequence[Restore]) -> list[str]:
    """Return a line for each function, and each source of random numbers, that is not as expected."""
    found = []
    for contestant in contestants:
        for service, results in _results(contestant, restores).items():
            failed = [result for result in results if result != "fine"]
            expected = {"all": len(results), "none": 0}[contestant.expected]
            if len(failed) != expected:
                said = f" One of them: {failed[0]}" if failed else ""
                found.append(
                    f"{contestant.name}, {service}: expected {expected} of {len(results)} to fail, but got "
                    f"{len(failed)}.{said}"
                )
        late = _late(contestant, restores)
        if late and contestant.expected == "none":
            found.append(f"{contestant.name}: expected no request over a dead connection, but got {late}.")
    for source, values in _draws(contestants, restores).items():
        if source not in _MAY_REPEAT and len(set(values)) < len(values):
            found.append(f"{source}: expected {len(values)} different values, but got {len(set(values))}.")
        if source == _REPEATED and len(set(values)) == len(values) > 1:
            found.append(f"{source}: expected the same values in each restore: the machines were not alike.")
    return found


def tables(contestants: Sequence[Contestant], restores: Sequence[Restore]) -> list[Table]:
    rows = []
    for contestant in contestants:
        results = _results(contestant, restores)
        late = "" if contestant.has_own_server else str(_late(contestant, restores))
        rows.append([contestant.name, _failed(results[ORIGIN]), late, _failed(results.get(DATABASE))])
    draws = [
        [source, str(len(values)), str(len(set(values)))] for source, values in _draws(contestants, restores).items()
    ]
    return [
        Table(
            f"{len(restores)} restores: first requests that failed",
            ["to the web server", "sent over a dead connection", "to the database"],
            rows,
        ),
        Table(f"{len(restores)} restores: random numbers", ["drawn", "different"], draws),
    ]


def _late(contestant: Contestant, restores: Sequence[Restore]) -> int:
    return sum(restore.late[contestant.name] for restore in restores)


def _failed(results: Sequence[str] | None) -> str:
    if results is None:
        return ""
    return f"{sum(result != 'fine' for result in results)} of {len(results)}"


def _results(contestant: Contestant, restores: Sequence[Restore]) -> dict[str, list[str]]:
    """Return "fine" or an error for each request that the function sent, by service."""
    answers = list(_answers(contestant, restores))
    has_database = any(DATABASE in answer for answer in answers)
    return {
        service: [answer.get(service, answer[ORIGIN]) for answer in answers]
        for service in (ORIGIN, DATABASE)
        if service == ORIGIN or has_database
    }


def _answers(contestant: Contestant, restores: Sequence[Restore]) -> Iterator[dict[str, Any]]:
    for restore in restores:
        for status, body in restore.outcomes[contestant.name]:
            yield json.loads(body) if status == 200 else {ORIGIN: f"{status}: {body}"}


def _draws(contestants: Sequence[Contestant], restores: Sequence[Restore]) -> dict[str, list[str]]:
    """Return all values by source, of the functions that had drawn before the snapshot, too."""
    values: dict[str, list[str]] = {}
    for contestant in contestants:
        for answer in _answers(contestant, restores) if contestant.is_primed else ():
            for source, value in answer.get("draws", {}).items():
                values.setdefault(source, []).append(value)
    return values
