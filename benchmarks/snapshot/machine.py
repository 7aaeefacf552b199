"""A machine in QEMU: started, saved to a file, and restored from it."""

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.snapshot.image import Image

__all__ = ["MEMORY", "Machine", "running"]

# In MB. The file system is in it too.
MEMORY = 1024

# Seconds until the functions run, on a processor that is emulated: only a broken machine takes longer.
_LIMIT = 600.0

# Seconds until QEMU itself runs.
_START_LIMIT = 30.0

# Seconds between two looks at QEMU's state.
_POLL = 0.1


@contextmanager
def running(image: Image, snapshot: Path | None = None) -> Iterator["Machine"]:
    """Start a machine, and yield it. `snapshot`: the file to restore it from, or None to boot it.

    An error within the block gets the end of the console's log as a note.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="q")))
        console = folder / "console"
        console.touch()
        qmp, port = (stack.enter_context(_listen(folder / name)) for name in ("qmp", "port"))
        process = stack.enter_context(subprocess.Popen(_command(image, folder, snapshot), stdin=subprocess.DEVNULL))
        stack.callback(process.kill)
        try:
            yield Machine(stack.enter_context(_accept(qmp)), stack.enter_context(_accept(port)))
        except Exception as exc:
            exc.add_note(f"The machine's console:\n{console.read_text(errors='replace')[-5000:]}")
            raise


def _command(image: Image, folder: Path, snapshot: Path | None) -> list[str]:
    """Return QEMU's command line. The first serial port is the console."""
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    command += ["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(MEMORY), "-rtc", "base=utc,clock=host"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.root)]
    # Memory that was freed is empty, and an empty page takes no place in a snapshot. A kernel that panics ends QEMU.
    command += ["-append", "console=ttyS0 quiet init_on_free=1 panic=-1 sysctl.vm.panic_on_oom=1"]
    command += ["-serial", f"file:{folder / 'console'}"]
    command += ["-chardev", f"socket,id=port,path={folder / 'port'}", "-serial", "chardev:port"]
    command += ["-chardev", f"socket,id=qmp,path={folder / 'qmp'}", "-mon", "chardev=qmp,mode=control"]
    if snapshot is not None:
        command += ["-incoming", f"exec:cat {shlex.quote(str(snapshot))}"]
    return command


class Machine:
    """One QEMU process: `qmp` is the stream to QEMU itself, and `port` to the machine's second serial port."""

    def __init__(self, qmp: Any, port: Any) -> None:
        self._qmp = qmp
        self._port = port
        json.loads(self._qmp.readline())  # its greeting
        self._execute("qmp_capabilities")

    def read(self) -> str:
        """Return the next line from the machine. Raises EOFError if it has ended, TimeoutError."""
        line = self._port.readline()
        if not line:
            raise EOFError("The machine has ended.")
        return str(line.decode().strip())

    def write(self, line: str) -> None:
        self._port.write(f"{line}\n".encode())

    def save(self, file: Path) -> None:
        """Stop the machine, and save it to the file."""
        self._execute("stop")
        self._execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self._execute("migrate", uri=f"exec:cat >{shlex.quote(str(file))}")
        while (status := self._execute("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise RuntimeError(f"The machine could not be saved: {status}")
            time.sleep(_POLL)

    def go_on(self) -> None:
        """Let the machine go on as soon as it is restored."""
        while self._execute("query-status")["status"] == "inmigrate":
            time.sleep(_POLL)
        self._execute("cont")

    def _execute(self, command: str, **arguments: Any) -> Any:
        """Run a command of QEMU's machine protocol, and return its result. Raises RuntimeError.

        https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
        """
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:  # other messages are events
            message = json.loads(self._qmp.readline())
            if "error" in message:
                raise RuntimeError(f"QEMU refuses {command!r}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]


def _listen(path: Path) -> socket.socket:
    """Return a listening socket, to which QEMU connects when it starts."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(_START_LIMIT)
    return listener


def _accept(listener: socket.socket) -> Any:
    connection, _ = listener.accept()
    connection.settimeout(_LIMIT)
    with connection:
        return connection.makefile("rwb", buffering=0)
