"""A new environment whenever the function's files change."""

from __future__ import annotations

from collections.abc import Callable

from watchfiles import PythonFilter, awatch

__all__ = ["watch_files"]

# What a function reads when it starts, beside Python. Not .json or .db, which functions also write.
_MORE = (".html", ".jinja", ".jinja2", ".toml", ".yaml", ".yml", ".env")

# In milliseconds: how long changes are collected, for an editor that writes several files; and how often to look.
_DEBOUNCE, _STEP = 200, 20


async def watch_files(folder: str, changed: Callable[[list[str]], None]) -> None:
    """Call `changed` with the paths that have changed, until the task is cancelled."""
    files = PythonFilter(extra_extensions=_MORE)
    async for changes in awatch(folder, watch_filter=files, debounce=_DEBOUNCE, step=_STEP):
        changed(sorted({path for _, path in changes}))
