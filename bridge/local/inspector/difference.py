"""What differs between two JSON documents, as lines of their text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from bridge.local.inspector.json_text import indented

__all__ = ["Line", "differences"]

Kind = Literal["same", "removed", "added"]

# Longer arrays are compared item by item: to find what was inserted into them needs time in proportion to the square.
_MAX_ALIGNED = 300


@dataclass(frozen=True)
class Line:
    """One line of the documents together. `removed`: only the first one has it. `added`: only the second one."""

    kind: Kind
    depth: int
    text: str


def differences(left: Any, right: Any) -> list[Line]:
    """Return all lines of both documents: members by their names, the items of arrays by their best alignment."""
    return list(_both(left, right, 0, ""))


def _both(left: Any, right: Any, depth: int, name: str) -> Iterator[Line]:
    if _same(left, right):
        yield from _one(left, "same", depth, name)
    elif isinstance(left, dict) and isinstance(right, dict) and left and right:
        yield Line("same", depth, f"{name}{{")
        yield from _members(left, right, depth + 1)
        yield Line("same", depth, "}")
    elif isinstance(left, list) and isinstance(right, list) and not (_is_short(left) and _is_short(right)):
        yield Line("same", depth, f"{name}[")
        yield from _items(left, right, depth + 1)
        yield Line("same", depth, "]")
    else:
        yield from _one(left, "removed", depth, name)
        yield from _one(right, "added", depth, name)


def _members(left: dict[str, Any], right: dict[str, Any], depth: int) -> Iterator[Line]:
    for key, value in left.items():
        if key in right:
            yield from _both(value, right[key], depth, f"{_text(key)}: ")
        else:
            yield from _one(value, "removed", depth, f"{_text(key)}: ")
    for key, value in right.items():
        if key not in left:
            yield from _one(value, "added", depth, f"{_text(key)}: ")


def _items(left: list[Any], right: list[Any], depth: int) -> Iterator[Line]:
    for old, new in _aligned(left, right):
        if len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                yield from _both(one, other, depth, "")
        else:
            for item in old:
                yield from _one(item, "removed", depth, "")
            for item in new:
                yield from _one(item, "added", depth, "")


def _aligned(left: list[Any], right: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield stretches of both arrays that belong together."""
    if max(len(left), len(right)) > _MAX_ALIGNED:
        both = min(len(left), len(right))
        yield left[:both], right[:both]
        yield left[both:], right[both:]
        return
    matcher = SequenceMatcher(None, [_text(item) for item in left], [_text(item) for item in right], autojunk=False)
    for _, start, stop, other_start, other_stop in matcher.get_opcodes():
        yield left[start:stop], right[other_start:other_stop]


def _is_short(value: list[Any]) -> bool:
    """Return whether an array, such as a header of a scope, has one line."""
    return len(value) <= 2 and not any(isinstance(item, dict | list) for item in value)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and _text(left) == _text(right)  # to Python, 1 and True are equal


def _one(value: Any, kind: Kind, depth: int, name: str) -> Iterator[Line]:
    lines = indented(value, indent=1).split("\n")
    for number, line in enumerate(lines):
        text = line.lstrip(" ")
        yield Line(kind, depth + len(line) - len(text), name + text if number == 0 else text)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
