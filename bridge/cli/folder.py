"""The folder of a function before it is deployed: its size, and what does not belong there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MAX_UNZIPPED", "Folder", "measured"]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 250 MB, with all layers.
MAX_UNZIPPED = 250 * 1024 * 1024

# What development leaves behind, or what holds secrets.
_UNWANTED_FOLDERS = frozenset(
    [
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", ".idea", ".vscode"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".aws-sam", "tests"),
    ]
)
_UNWANTED_FILES = frozenset({".env", ".coverage", ".DS_Store", "Dockerfile", "docker-compose.yml"})
_UNWANTED_SUFFIXES = (".pem", ".key", ".sqlite3", ".log")


@dataclass(frozen=True)
class Folder:
    """`size`: in bytes, unzipped. `unwanted`: paths that a deployment does not need, each with its size."""

    size: int
    unwanted: tuple[tuple[str, int], ...]


def measured(path: str) -> Folder:
    """Return the size of a folder. A file with several names counts once for each, as in a zip file."""
    unwanted: dict[str, int] = {}
    size = 0
    for file, length in _files(path):
        size += length
        found = _unwanted(Path(file).relative_to(path).parts)
        if found:
            unwanted[found] = unwanted.get(found, 0) + length
    return Folder(size, tuple(sorted(unwanted.items(), key=lambda item: -item[1])))


def _files(path: str) -> Iterator[tuple[str, int]]:
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            try:
                yield file, os.lstat(file).st_size
            except OSError:  # it has gone meanwhile
                continue


def _unwanted(parts: tuple[str, ...]) -> str:
    """Return the part of a path that does not belong into a deployment; "" if all of it does."""
    *folders, name = parts
    for index, folder in enumerate(folders):
        if folder in _UNWANTED_FOLDERS and (index == 0 or folder != "tests"):
            return "/".join(folders[: index + 1]) + "/"
    is_unwanted = name in _UNWANTED_FILES or name.endswith(_UNWANTED_SUFFIXES)
    return "/".join(parts) if is_unwanted and len(parts) == 1 else ""
