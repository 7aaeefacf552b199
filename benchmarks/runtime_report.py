"""The tables about runtimes, with their goals."""

from collections.abc import Callable, Mapping
from statistics import median

from .rounds import Figure, Figures
from .runtime_memory import MEMORY_RUNTIMES, SLOTS, Memory
from .runtime_streams import Stream, Streams
from .runtime_times import CALLS, Latencies
from .runtimes import BRIDGE, MANGUM, MANGUM_OFF, RIC_BRIDGE, p99
from .tables import Table, shown

__all__ = ["cold_start_tables", "latency_tables", "memory_tables", "not_measured", "stream_tables"]

TIME_GOAL = 1.0
MEMORY_GOAL = 0.15
FIRST_BYTE_GOAL = 5.0

_JUDGED_BY = "Judged by the median: several processes take part, and the least of one is not the least of all."
_BASES = (MANGUM, MANGUM_OFF)

_INVOCATIONS = (
    f"The official emulator in its classic mode, one live environment each, in turns of {CALLS} invocations after one "
    "that is not counted. A Function URL's event of a browser's request. Measured at the caller, which has the answer "
    "when the runtime asks for the next event: all that a runtime does for an invocation counts."
)
_COLD_STARTS = (
    "From the request to the first answer of a fresh environment, whose emulator is up and starts the runtime then. "
    "Bytecode was written before."
)
_MEMORY = (
    "The official emulator in its Managed Instances mode; the Starlette application, after bursts that used all slots. "
    "PSS: what processes share counts once. RSS: it counts in each of them."
)
_STREAMS = (
    "A double of the Runtime API in place of the emulator, which does not stream. The double is Python, and its own "
    "time is in every figure. awslambdaric cannot stream."
)


def not_measured(title: str, reason: str) -> Table:
    return Table(title, [], [], [f"Not measured: {reason}"])


def latency_tables(latencies: Latencies) -> list[Table]:
    """Each runtime, and ours beside the others."""
    rows = [[name, shown(_figure(samples)), f"{p99(samples):.1f}"] for name, samples in latencies.samples.items()]
    notes = [f"{len(latencies.samples[BRIDGE])} invocations of each. {_INVOCATIONS}"]
    title = "Invocation of a Starlette JSON route: us"
    return [
        Table(title, ["median (least)", "p99"], rows, notes),
        _beside("Invocation, beside awslambdaric with Mangum", {"median (least)": latencies.rounds}),
    ]


def cold_start_tables(figures: Mapping[str, Figures], runs: int) -> list[Table]:
    """The first invocation of a new environment, for each application."""
    names = figures[next(iter(figures))].names
    rows = [[name, *(shown(column.time(name)) for column in figures.values())] for name in names]
    notes = [f"{runs} of each, in turns. {_COLD_STARTS}"]
    title = "Cold start: ms, median (least)"
    return [
        Table(title, list(figures), rows, notes),
        _beside("Cold start, beside awslambdaric with Mangum", figures),
    ]


def _beside(title: str, figures: Mapping[str, Figures]) -> Table:
    rows = [
        [f"{BRIDGE} / {base}", *(_judged(column.ratio(BRIDGE, base), TIME_GOAL) for column in figures.values())]
        for base in _BASES
    ]
    rows.append([f"{BRIDGE} / {RIC_BRIDGE}", *(shown(c.ratio(BRIDGE, RIC_BRIDGE), 2) for c in figures.values())])
    notes = [f"Goal: at most {TIME_GOAL} x awslambdaric with Mangum. Ratios within a round. {_JUDGED_BY}"]
    return Table(f"{title}, median (least)", list(figures), rows, notes)


def memory_tables(measured: Mapping[int, Memory]) -> list[Table]:
    """All processes of a runtime together, and ours beside the other."""
    columns = [measured[slots] for slots in SLOTS]
    rows = []
    for name in MEMORY_RUNTIMES:
        rows.append([f"{name}: PSS", *(shown(memory.pss.time(name)) for memory in columns)])
        rows.append(["  RSS", *(shown(memory.rss.time(name)) for memory in columns)])
        rows.append(["  processes", *(str(memory.processes[name]) for memory in columns)])
    shares = [
        [f"PSS: {BRIDGE} / {MANGUM}", *(_share(memory.pss, slots) for slots, memory in measured.items())],
        [f"RSS: {BRIDGE} / {MANGUM}", *(shown(memory.rss.ratio(BRIDGE, MANGUM), 2) for memory in columns)],
    ]
    goal = f"Goal: with {SLOTS[-1]} slots at most {MEMORY_GOAL} x awslambdaric with Mangum, in PSS."
    heads = [f"{slots} slots" for slots in SLOTS]
    return [
        Table("Memory of all processes: MB, median (least)", heads, rows, [_MEMORY]),
        Table("Memory, beside awslambdaric with Mangum, median (least)", heads, shares, [goal]),
    ]


def _share(pss: Figures, slots: int) -> str:
    ratio = pss.ratio(BRIDGE, MANGUM)
    return _judged(ratio, MEMORY_GOAL) if slots == SLOTS[-1] else shown(ratio, 2)


def stream_tables(measured: Streams) -> list[Table]:
    """The first byte, and the whole response beside a buffered one."""
    rows = [
        _first_byte("first byte of the body, after the application sent it", measured, lambda each: each.after_send),
        _first_byte("  after the event, without the application's own time", measured, lambda each: each.beyond_app),
        ["small response, streamed: event to end", *_row(measured.small)],
        ["small response, buffered: event to end", *_row(measured.buffered)],
    ]
    goal = f"Goal: the first byte at most {FIRST_BYTE_GOAL:.0f} ms beyond the application's own time."
    notes = [f"{len(measured.small)} of each, in turns. {_STREAMS}", goal]
    return [Table("Streaming with bridge.runtime: ms", ["median (least)", "p99"], rows, notes)]


def _first_byte(name: str, measured: Streams, get: Callable[[Stream], float]) -> list[str]:
    samples = list(map(get, measured.streams))
    return [name, _judged(_figure(samples), FIRST_BYTE_GOAL), f"{p99(samples):.2f}"]


def _row(samples: list[float]) -> list[str]:
    return [shown(_figure(samples), 2), f"{p99(samples):.2f}"]


def _figure(samples: list[float]) -> Figure:
    return Figure(median(samples), min(samples))


def _judged(figure: Figure, goal: float) -> str:
    return f"{shown(figure, 2)} {'met' if figure.median <= goal else 'missed'}"
