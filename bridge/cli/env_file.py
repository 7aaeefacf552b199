"""Files of environment variables: `NAME=value` on each line."""

from __future__ import annotations

import re
from pathlib import Path

import click

__all__ = ["read_env_file"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_env_file(path: str) -> dict[str, str]:
    """Return the variables in a file. Quotes around a value are not part of it; nothing in it is replaced.

    Raises click.UsageError for a line that is not one.
    """
    variables = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise click.UsageError(f"Expected NAME=value in line {number} of {path}, but got {text!r:.100}.")
        variables[found[1]] = _value(found[2])
    return variables


def _value(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text.partition(" #")[0].rstrip()
