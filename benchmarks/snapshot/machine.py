"""A machine in QEMU: started, saved to a file, and restored from it."""

import json
import shlex
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from benchmarks.snapshot.image import Image

__all__ = ["MEMORY", "Machine"]

# In MB.
MEMORY = 512

# Seconds until the functions run, on a processor that is emulated: only a broken machine takes longer.
_LIMIT = 600.0

_POLL = 0.1


class Machine:
    """One QEMU process: `snapshot` is the file to restore from, or None to boot.

    Lines go to and from the machine over its second serial port. The first has the console's log.
    """

    def __init__(self, image: Image, snapshot: Path | None = None) -> None:
        self._image = image
        self._snapshot = snapshot

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="q")
        folder = Path(self._folder.name)
        self._console = folder / "console"
        listeners = {name: _listen(folder / name) for name in ("qmp", "port")}
        self._process = subprocess.Popen(self._command(folder), stdin=subprocess.DEVNULL)
        self._qmp, self._port = (_accept(listener) for listener in listeners.values())
        json.loads(self._qmp.readline())  # its greeting
        self.execute("qmp_capabilities")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            exc.add_note(f"The machine's console:\n{self._console.read_text(errors='replace')[-5000:]}")
        self._process.kill()
        self._process.wait()
        self._qmp.close()
        self._port.close()
        self._folder.cleanup()

    def _command(self, folder: Path) -> list[str]:
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
        command += ["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(MEMORY), "-rtc", "base=utc,clock=host"]
        command += ["-kernel", str(self._image.kernel), "-initrd", str(self._image.root)]
        command += ["-append", "console=ttyS0 quiet panic=-1 init_on_free=1"]
        command += ["-serial", f"file:{self._console}"]
        command += ["-chardev", f"socket,id=port,path={folder / 'port'}", "-serial", "chardev:port"]
        command += ["-chardev", f"socket,id=qmp,path={folder / 'qmp'}", "-mon", "chardev=qmp,mode=control"]
        if self._snapshot is not None:
            command += ["-incoming", f"exec:cat {shlex.quote(str(self._snapshot))}"]
        return command

    def read(self) -> str:
        """Return the next line from the machine. Raises EOFError if it has ended, TimeoutError."""
        line = self._port.readline()
        if not line:
            raise EOFError("The machine has ended.")
        return str(line.decode().strip())

    def write(self, line: str) -> None:
        self._port.write(f"{line}\n".encode())

    def execute(self, command: str, **arguments: Any) -> Any:
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

    def save(self, file: Path) -> None:
        """Stop the machine, and save it to the file."""
        self.execute("stop")
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"exec:cat >{shlex.quote(str(file))}")
        while (status := self.execute("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise RuntimeError(f"The machine could not be saved: {status}")
            time.sleep(_POLL)

    def go_on(self) -> None:
        """Let the machine go on as soon as it is restored."""
        while self.execute("query-status")["status"] == "inmigrate":
            time.sleep(_POLL)
        self.execute("cont")


def _listen(path: Path) -> socket.socket:
    """Return a listening socket, to which QEMU connects when it starts."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(_LIMIT)
    return listener


def _accept(listener: socket.socket) -> Any:
    with listener:
        connection, _ = listener.accept()
    connection.settimeout(_LIMIT)
    with connection:
        return connection.makefile("rwb", buffering=0)
