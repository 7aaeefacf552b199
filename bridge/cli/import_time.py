"""How long a module's import takes, and which modules cost most: Python's own measurement, in a process of its own.

https://docs.python.org/3/using/cmdline.html#cmdoption-X
"""

from __future__ import annotations

import subprocess  # nosec B404  # it runs this Python, with the name of the user's own module
import sys
from dataclasses import dataclass

__all__ = ["ImportTime", "import_time", "parsed"]

# Threads that the module starts do not keep the process.
_CODE = """
import os, sys
sys.path.insert(0, sys.argv[1])
status = 1
try:
    __import__(sys.argv[2])
    status = 0
except BaseException:
    sys.excepthook(*sys.exc_info())
sys.stderr.flush()
os._exit(status)
"""

# How long an import may take, in seconds. Lambda's init phase has 10 s.
_LIMIT = 120


@dataclass(frozen=True)
class ImportTime:
    """`milliseconds`: of the whole import. `by_package`: the share of each top-level package, the dearest first.

    `error`: what the process wrote if the import failed.
    """

    milliseconds: float
    by_package: tuple[tuple[str, float], ...]
    error: str = ""


def import_time(module: str, folder: str) -> ImportTime:
    """Import `module` from `folder` in a new process, and return what that took."""
    command = [sys.executable, "-X", "importtime", "-c", _CODE, folder, module]
    try:
        done = subprocess.run(  # nosec B603  # no shell; the module's name is an argument of this program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ImportTime(_LIMIT * 1000, (), f"The import did not end within {_LIMIT} s.")
    text = done.stderr.decode("utf-8", "replace")
    times = parsed(text)
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("import time:"))
    return ImportTime(sum(time for _, time in times), times, rest if done.returncode else "")


def parsed(text: str) -> tuple[tuple[str, float], ...]:
    """Return the milliseconds of each top-level package in the output of `-X importtime`, the dearest first.

    A module's own time counts, without those that it imports. Python's start is left out: it ends with `site`.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if not line.startswith("import time:") or len(fields) != 3 or not fields[0].strip().isdigit():
            continue
        name = fields[2].strip()
        if name == "site":
            found.clear()
            continue
        package = name.partition(".")[0]
        found[package] = found.get(package, 0.0) + int(fields[0]) / 1000
    return tuple(sorted(found.items(), key=lambda item: -item[1]))
