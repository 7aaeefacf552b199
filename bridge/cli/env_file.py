"""Files of environment variables: `NAME=value` on each line."""

from __future__ import annotations

import re
from pathlib import Path

import click

__all__ = ["read_env_file"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*?)\1(?:\s+#.*)?""")


def read_env_file(path: str) -> dict[str, str]:
    """Return the variables in a file. Quotes around a value are not part of it; nothing in it is replaced.

    Raises click.UsageError for a line that is not one, and for a file that is not UTF-8.
    """
    variables = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None or "\0" in text:
            raise click.UsageError(f"Expected NAME=value in line {number} of {path}, but got {text!r:.100}.")
        variables[found[1]] = _value(found[2])
    return variables


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # editors on Windows begin a file with the mark
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"Expected {path} in UTF-8, but {exc}.") from None


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else text.partition(" #")[0].rstrip()
