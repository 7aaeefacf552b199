"""The events that a command gets: files, folders of files, and stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from bridge.testing.strict_json import strict_json

__all__ = ["read_events"]


def read_events(paths: Iterable[str]) -> list[tuple[str, Any]]:
    """Return the name and the event of each file. "-" is stdin; of a folder, all files that end in .json, sorted.

    A file has one JSON value, or one on each line. Raises click.UsageError.
    """
    return [named for path in paths for name, text in _texts(path) for named in _parsed(name, text)]


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "stdin", _text("stdin", sys.stdin.buffer.read())
        return
    files = sorted(Path(path).rglob("*.json")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise click.UsageError(f"The folder {path!r} has no file that ends in .json.")
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as exc:
            raise click.UsageError(f"The event {str(file)!r} cannot be read: {exc}") from None
        yield str(file), _text(str(file), content)


def _text(name: str, content: bytes) -> str:
    """Return a file's text, without the byte order mark that editors on Windows put before it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"The event {name!r} cannot be read: {exc}") from None


def _parsed(name: str, text: str) -> Iterator[tuple[str, Any]]:
    try:
        yield name, strict_json(text)
        return
    except ValueError as exc:
        error = exc
    # Not splitlines(): JSON strings may have other line separators, such as U+2028.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        values = [(f"{name}:{number}", strict_json(line)) for number, line in lines]
    except ValueError:
        raise click.UsageError(f"Expected JSON in {name!r}, but got: {error}") from None
    if not values:
        raise click.UsageError(f"Expected an event in {name!r}, but it is empty.")
    yield from values
