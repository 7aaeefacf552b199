"""The events that a command gets: files, folders of files, and stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

__all__ = ["read_events"]


def read_events(paths: Iterable[str]) -> list[tuple[str, Any]]:
    """Return the name and the event of each file. "-" is stdin; of a folder, all files that end in .json, sorted.

    A file has one JSON value, or one on each line. Raises click.UsageError.
    """
    return [named for path in paths for name, text in _texts(path) for named in _parsed(name, text)]


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "stdin", sys.stdin.read()
        return
    files = sorted(Path(path).rglob("*.json")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise click.UsageError(f"The folder {path!r} has no file that ends in .json.")
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise click.UsageError(f"The event {str(file)!r} cannot be read: {exc}") from None


def _parsed(name: str, text: str) -> Iterator[tuple[str, Any]]:
    try:
        yield name, json.loads(text)
        return
    except ValueError as exc:
        error = exc
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        values = [(f"{name}:{number}", json.loads(line)) for number, line in lines]
    except ValueError:
        raise click.UsageError(f"Expected JSON in {name!r}, but got: {error}") from None
    if not values:
        raise click.UsageError(f"Expected an event in {name!r}, but it is empty.")
    yield from values
