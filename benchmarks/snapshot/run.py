"""Save a machine with functions in it, restore it many times, and see which first requests fail.

    nox -s snapshot -- --restores 20 --write docs/snapstart.md

It ends with 1 if a request failed that must not, or if one did not fail that must: then the restores proved nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

# The project's folder in place of this one, whose modules must not be found under their bare names.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.snapshot.contestants import CONTESTANTS
from benchmarks.snapshot.image import Image, build, install_debian_packages
from benchmarks.snapshot.machine import MEMORY, running
from benchmarks.snapshot.report import Restore, faults, tables
from benchmarks.snapshot.servers import KEEP_ALIVE
from benchmarks.tables import as_markdown, placed

T = TypeVar("T")

# The name of the place in the document.
_PLACE = "restores"


class Measured(NamedTuple):
    """In seconds and MB. `restoring`: until the machine goes on, for each restore."""

    python: str
    boot: float
    saving: float
    size: float
    restoring: list[float]
    restores: list[Restore]


def main() -> None:
    arguments = _parser().parse_args()
    install_debian_packages()
    image = build(_folder(arguments.cache))
    with TemporaryDirectory(prefix="snapshot") as folder:
        measured = _measure(image, Path(folder) / "snapshot", arguments.restores)
    parts = [*map(as_markdown, tables(CONTESTANTS, measured.restores)), _notes(image, measured)]
    text = "\n\n".join(parts)
    print(text)
    if arguments.write:
        document = placed(arguments.write.read_text(encoding="utf-8"), _PLACE, text)
        arguments.write.write_text(document, encoding="utf-8")
    if found := faults(CONTESTANTS, measured.restores):
        sys.exit("\n".join(found))


def _measure(image: Image, file: Path, count: int) -> Measured:
    with running(image) as machine:
        boot, line = _timed(machine.read)
        saving, _ = _timed(lambda: machine.save(file))
    _say(f"booted in {boot:.1f} s, saved in {saving:.1f} s")
    time.sleep(2 * KEEP_ALIVE)  # by the wall clock, all connections are idle for too long then
    restoring, restores = [], []
    for number in range(count):
        started = time.monotonic()
        with running(image, file) as machine:
            machine.go_on()
            restoring.append(time.monotonic() - started)
            machine.write(f"restored {os.urandom(32).hex()}")
            restores.append(Restore(**json.loads(machine.read())))
        _say(f"restore {number + 1} of {count}: {time.monotonic() - started:.1f} s with all answers")
    python = line.removeprefix("warm, with ")
    return Measured(python, boot, saving, file.stat().st_size / 1e6, restoring, restores)


def _timed(step: Callable[[], T]) -> tuple[float, T]:
    started = time.monotonic()
    result = step()
    return time.monotonic() - started, result


def _notes(image: Image, measured: Measured) -> str:
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    qemu = version.splitlines()[0].removeprefix("QEMU emulator version ").split()[0]
    walls = [restore.wall for restore in measured.restores]
    monotonic = [restore.monotonic for restore in measured.restores]
    machine = f"QEMU {qemu} without KVM, {MEMORY} MB, Linux {image.version}, {measured.python}"
    times = (
        f"Up to the last answer before the snapshot: {measured.boot:.0f} s. The snapshot: {measured.size:.0f} MB, "
        f"saved in {measured.saving:.1f} s. A restore: {median(measured.restoring):.1f} s."
    )
    clocks = (
        f"From that answer to the first event after a restore the wall clock went {min(walls):.0f} to "
        f"{max(walls):.0f} s, the monotonic clock {min(monotonic):.2f} to {max(monotonic):.2f} s."
    )
    return f"{machine}; {datetime.now(UTC):%Y-%m-%d}.\n{times}\n{clocks}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/snapshot/run.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--restores", type=int, default=20, metavar="N", help="how often to restore the machine")
    parser.add_argument("--cache", type=Path, required=True, metavar="FOLDER", help="where Debian's parts are kept")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the tables into this document, docs/snapstart.md, as well"
    )
    return parser


if __name__ == "__main__":
    main()
