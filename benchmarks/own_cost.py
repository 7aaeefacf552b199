"""Own cost: what each handler costs beyond the application itself, with a small body, warm, for each event source."""

from collections.abc import Mapping

from benchmarks.browser import PAGE
from benchmarks.contestants import APPS, BRIDGE, MANGUM, MANGUM_AUTO, Bench, bench, check_answers, handlers, over_socket
from benchmarks.direct import DIRECT
from benchmarks.events import SOURCES
from benchmarks.rounds import Figure, Figures, compete
from benchmarks.tables import BY_LEAST, MEDIAN, Table, judged, shown

__all__ = ["tables"]

ROUNDS, QUICK_ROUNDS = 40, 4
GOAL = 0.5

_METHOD = (
    "All take turns of about 2 ms each, after a warm-up and a check of every answer. Inputs are made off the clock, "
    "with new strings for every event. The garbage collector is on; what was alive before is frozen."
)


def tables(quick: bool) -> list[Table]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    figures = {}
    for name in APPS:
        with bench(name) as made:
            figures[name] = {source: _measure(made, source, rounds) for source in SOURCES}
    note = f"{rounds} rounds. {_METHOD}"
    return [
        *(_times(title, figures[name], note) for name, (title, _) in APPS.items()),
        *(_own_cost(title, figures[name]) for name, (title, _) in APPS.items()),
    ]


def _measure(made: Bench, source: str, rounds: int) -> Figures:
    with handlers(made, source, PAGE) as in_process:
        contestants = [*in_process, over_socket(made, PAGE)]
        check_answers(contestants, PAGE)
        return compete(contestants, rounds)


def _times(app: str, figures: Mapping[str, Figures], note: str) -> Table:
    names = next(iter(figures.values())).names
    rows = [[name, *(shown(column.time(name)) for column in figures.values())] for name in names]
    return Table(f"Small body, {app}: us per call, {MEDIAN}", list(figures), rows, [note])


def _own_cost(app: str, figures: Mapping[str, Figures]) -> Table:
    ours, theirs = ([column.over(name, DIRECT) for column in figures.values()] for name in (BRIDGE, MANGUM))
    rows = [
        [BRIDGE, *map(shown, ours)],
        [MANGUM, *map(shown, theirs)],
        [MANGUM_AUTO, *(shown(column.over(MANGUM_AUTO, DIRECT)) for column in figures.values())],
        [f"{BRIDGE} / {MANGUM}", *(judged(ratio, GOAL, by="least") for ratio in map(_ratio, ours, theirs))],
    ]
    title = f"Own cost with a small body, {app}: us per call more than the direct call, {MEDIAN}"
    return Table(title, list(figures), rows, [f"Goal: at most {GOAL} x Mangum's without lifespan. {BY_LEAST}"])


def _ratio(one: Figure, other: Figure) -> Figure:
    return Figure(one.median / other.median, one.least / other.least)
