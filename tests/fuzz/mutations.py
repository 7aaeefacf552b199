"""Events with some faults: real ones of every source in which fields are missing, of another type, huge or hostile."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bridge.errors import UnsupportedEvent
from bridge.sources import select_source
from tests.events import BASES, load

__all__ = ["SOURCES", "Mutated", "events_of", "hostile_text", "mark", "mutated"]

Event = dict[str, Any]

# More real events, where they lie beside the checkout.
_CORPUS = Path(__file__).parents[3] / "shared" / "events"

SOURCES = sorted(set(BASES.values()))

# What breaks parsers: the borders of lines, names, numbers, encodings, paths and templates.
_FRAGMENTS = [
    *["\r\n", "\n", "\r", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800", "\udfff", "\ufeff", "é", "ī", "😀"],
    *[" ", "\t", ",", ";", ":", "=", "&", "+", "?", "#", "/", "//", "/../", "\\", "@", "*", "{proxy+}", "{a}", "%"],
    *["%0d%0a", "%00", "%2F", "%3F", "%25", "%zz", "%ed%a0%80", "a", "Z", "9", "-1", "1e999", "٣", "_", "https://x"],
    *[
        "chunked",
        "close",
        "GET",
        "CONNECT",
        "HTTP/1.1",
        "HTTP/9",
        "[::1]",
        "[",
        "localhost:99999",
        "base64",
        "YQ==",
        "Y",
    ],
]

_NAMES = [
    *["content-length", "Content-Length", "transfer-encoding", "connection", "upgrade", "host", "HOST", "cookie", "te"],
    *["expect", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-request-context", "x-auth", ""],
    *["x_amzn_lambda_context", "authorization", "proxy-authorization", "content-encoding", "keep-alive", "x y", "é"],
]

hostile_text = st.lists(st.sampled_from(_FRAGMENTS), max_size=5).map("".join) | st.text(
    st.characters(exclude_categories=()), max_size=20
)
_names = st.sampled_from(_NAMES) | hostile_text


def _nested(depth: int, leaf: Any) -> Any:
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


_PLAIN: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    5,
    2**64,
    10**400,
    1.5,
    float("inf"),
    float("nan"),
    "",
    "x",
    [],
    {},
    [[]],
    [None],
]

# By name, so that a case that fails is printed in a few lines. Each use makes a new one, which later faults may change.
_LARGE: dict[str, Callable[[], Any]] = {
    "LARGE: a long text": lambda: "x" * 100_000,
    "LARGE: percent signs": lambda: "%" * 50_000,
    "LARGE: parameters": lambda: "a=1&" * 20_000,
    "LARGE: line breaks": lambda: "\u00e9,\r\n" * 5_000,
    "LARGE: a list": lambda: ["x"] * 5_000,
    "LARGE: an object": lambda: {f"n{number}": "v" for number in range(5_000)},
    "LARGE: a depth": lambda: _nested(20_000, "x"),
}

_scalars = st.sampled_from(_PLAIN) | hostile_text
_values = st.one_of(
    _scalars,
    _scalars,
    st.lists(_scalars, max_size=3),
    st.dictionaries(_names, _scalars | st.lists(_scalars, max_size=3), max_size=3),
    st.integers(1, 50).flatmap(lambda depth: _scalars.map(lambda leaf: _nested(depth, leaf))),
    st.integers(0, 24).flatmap(lambda chance: _scalars if chance else st.sampled_from([*_LARGE])),
)

# The number of a place in the event, and what happens there: 0 removes the value, 1 adds one, all else replaces it.
_faults = st.tuples(st.integers(0, 10_000), st.integers(0, 5), _names, _values)


@cache
def events_of(source: str) -> tuple[str, ...]:
    """Return the events of a source as JSON: the project's own, and the corpus where it exists."""
    own = [json.dumps(load(name)) for name, taken_by in BASES.items() if taken_by == source]
    return (*own, *_corpus().get(source, []))


@cache
def _corpus() -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for path in sorted(_CORPUS.glob("*/*.json")):
        text = path.read_text(encoding="utf-8")
        found.setdefault(_source_of(json.loads(text)), []).append(text)
    return found


def _source_of(event: Any) -> str | None:
    try:
        return select_source(event).name
    except UnsupportedEvent:
        return None


@dataclass(frozen=True)
class Mutated:
    """An event as JSON, and the faults that it gets."""

    text: str
    faults: list[tuple[int, int, str, Any]]

    def event(self) -> Event:
        """Return a new event."""
        event: Event = json.loads(self.text)
        _change(event, self.faults)
        return event


def mutated(source: str) -> st.SearchStrategy[Mutated]:
    """Return a strategy for events of `source` with one to four faults."""
    return st.builds(Mutated, st.sampled_from(events_of(source)), st.lists(_faults, min_size=1, max_size=4))


def _change(event: Event, faults: list[tuple[int, int, str, Any]]) -> None:
    for number, kind, name, drawn in faults:
        value = _LARGE[drawn]() if isinstance(drawn, str) and drawn in _LARGE else deepcopy(drawn)
        places = list(_places(event))
        if not places:
            return
        parent, key = places[number % len(places)]
        if kind == 0:
            del parent[key]
        elif kind == 1:
            if isinstance(parent, dict):
                parent[name] = value
            else:
                parent.insert(key, value)
        else:
            parent[key] = value


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Yield every place in an event, as its container and its key there."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children)[:100]:
        yield value, key
        if depth < 10:
            yield from _places(child, depth + 1)


def mark(event: Event, name: str, marker: str) -> bool:
    """Give the request of `event` one more header. Return False where faults leave no place for it."""
    records = event.get("Records")
    try:
        if records is not None:
            records[0]["cf"]["request"]["headers"][name] = [{"key": name, "value": marker}]
            return True
    except (LookupError, TypeError):
        return False
    marked = False
    for key, value in (("headers", marker), ("multiValueHeaders", [marker])):
        if isinstance(headers := event.get(key), dict):
            headers[name] = value
            marked = True
    return marked
