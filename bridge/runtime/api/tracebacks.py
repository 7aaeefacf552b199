"""The stack trace of an exception as text: from the application's first frame on."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from bridge.errors import BridgeError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["own_frames", "stack_trace"]

# File, line, function, and the text of the line.
Frame = tuple[str, int, str, str | None]

# Paths, as frames have them.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
_STDLIB = os.path.dirname(traceback.__file__)

# Code that calls the application, or imports it.
_CALLERS = (
    os.path.join(_PACKAGE, "runtime", ""),
    os.path.join(_PACKAGE, "_loop.py"),
    os.path.join(_PACKAGE, "asgi", "tasks.py"),
    os.path.join(_STDLIB, "asyncio", ""),
    os.path.join(_STDLIB, "concurrent", "futures", ""),
    os.path.join(_STDLIB, "importlib", ""),
    os.path.join(_STDLIB, "threading.py"),
    "<frozen importlib.",
)

# Code that is not the application's. The last entry is for methods that dataclasses generate.
_OURS = (*_CALLERS, os.path.join(_PACKAGE, ""), "<string>")

_HEADER = "Traceback (most recent call last):\n"


def stack_trace(exc: BaseException) -> list[str]:
    """Return the frames as `traceback.format_list` does, oldest first, without the message of the exception.

    Before them is the cause, as Python shows it: its frames, its message, and the sentence that links the two. After
    them are the place of a syntax error, and the notes. An exception group is followed by its exceptions.

    May raise any exception that the exception's own methods raise.
    """
    shown = traceback.TracebackException.from_exception(exc, compact=True)
    _leave_out_callers(shown, exc)
    lines = list(shown.format())
    if shown.exceptions is None:
        message = list(shown.format_exception_only())
        lines[len(lines) - len(message) :] = _without_message(shown, message)
    if lines and lines[0] == _HEADER:
        del lines[0]
    return lines


def _without_message(shown: traceback.TracebackException, message: list[str]) -> list[str]:
    """Return the place of a syntax error, which comes before its message, and the notes, which come after it."""
    shown.__notes__ = None
    bare = list(shown.format_exception_only())
    return bare[:-1] + message[len(bare) :]


def _leave_out_callers(shown: traceback.TracebackException, exc: BaseException) -> None:
    pairs: list[tuple[traceback.TracebackException | None, BaseException | None]] = [(shown, exc)]
    while pairs:
        shown_one, one = pairs.pop()
        if shown_one is None or one is None:
            continue
        shown_one.stack = traceback.StackSummary.from_list(own_frames(one))
        pairs += [(shown_one.__cause__, one.__cause__), (shown_one.__context__, one.__context__)]
        if isinstance(one, BaseExceptionGroup):
            pairs += zip(shown_one.exceptions or (), one.exceptions, strict=False)


def own_frames(exc: BaseException) -> list[Frame]:
    """Return the frames of one exception from the application's first one on.

    Without a frame of the application, the fault is in the caller, and all frames are returned. An error of the package
    itself has no frames, because its message is enough.
    """
    frames = _frames(exc.__traceback__)
    if isinstance(exc, BridgeError) and all(frame[0].startswith(_OURS) for frame in frames):
        return []
    for position, frame in enumerate(frames):
        if not frame[0].startswith(_CALLERS):
            return frames[position:]
    return frames


def _frames(trace: TracebackType | None) -> list[Frame]:
    return [(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in traceback.extract_tb(trace)]
