"""A runtime as a process of its own, as Lambda starts it: `python -m bridge.runtime`, or AWS's own client."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

__all__ = ["LIMIT", "Process", "Runtime", "Runtimes"]

ROOT = Path(__file__).parents[2]

# Seconds that a test waits for anything, unless it says otherwise: only a broken one gets that far.
LIMIT = 30.0


class Process(Protocol):
    """The part of `subprocess.Popen` that is needed here."""

    pid: int

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def terminate(self) -> None: ...


class Runtime:
    """One process, the leader of a session: its children end with it. Its output is collected as it comes."""

    def __init__(self, command: Sequence[str], folder: Path, environ: dict[str, str], pass_fds: Sequence[int]) -> None:
        self.folder = folder
        self._process = self._start(command, environ, pass_fds)
        self.pid = self._process.pid
        self._output = bytearray()
        self._has_more = True
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"output of {self.pid}", daemon=True)
        self._reader.start()

    def _start(self, command: Sequence[str], environ: dict[str, str], pass_fds: Sequence[int]) -> Process:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while self._has_more:
                select.select([stream], [], [])
                with self._changed:
                    self._take_written()
                    self._changed.notify_all()

    def _take_written(self) -> None:
        """Read what is in the pipe now, with the lock held."""
        stream = self._process.stdout
        assert stream is not None
        while self._has_more and select.select([stream], [], [], 0)[0]:
            data = os.read(stream.fileno(), 65536)
            self._output += data
            self._has_more = bool(data)

    @property
    def log(self) -> str:
        """What it has written so far, stdout and stderr as they came: all of it, also what was written just now."""
        with self._changed:
            self._take_written()
            self._changed.notify_all()
            return self._output.decode(errors="backslashreplace")

    def wait_for_log(self, text: str, timeout: float = LIMIT) -> str:
        """Wait for the first whole line with `text`. Raises TimeoutError, and EOFError at the end."""
        wanted = text.encode()

        def is_here() -> bool:
            start = self._output.find(wanted)
            return start >= 0 and (not self._has_more or self._output.find(b"\n", start + len(wanted)) >= 0)

        self._wait_for(is_here, repr(text), timeout)
        return next(line for line in self.log.splitlines() if text in line)

    def wait_for_lines(self, count: int, timeout: float = LIMIT) -> list[str]:
        """Wait for so many whole lines of the log. Raises TimeoutError, and EOFError at the end."""
        self._wait_for(lambda: self._output.count(b"\n") >= count, f"line {count}", timeout)
        return self.log.rpartition("\n")[0].split("\n")

    def _wait_for(self, is_here: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_here() or not self._has_more, timeout)
            found, has_more = is_here(), self._has_more
        if not found:
            raise (TimeoutError if has_more else EOFError)(f"{what} is not in the log:\n{self.log}")

    def wait(self, timeout: float = LIMIT) -> int:
        """Wait until the log is complete, and return the exit code: minus the signal's number if one has ended it.

        Raises TimeoutError, also if something that it has forked holds the log open.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"It still runs after {timeout} s. Its log:\n{self.log}") from None
        with self._changed:
            has_ended = self._changed.wait_for(lambda: not self._has_more, timeout)
        if not has_ended:
            raise TimeoutError(f"What it has forked still runs after {timeout} s. The log:\n{self.log}")
        return code

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def terminate(self) -> None:
        """Send SIGTERM to the process alone, as Lambda does."""
        self._process.terminate()

    def end(self, timeout: float = LIMIT) -> None:
        """Kill the process and all that it has forked, and make sure that nothing is left of it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter if they have ended, on macOS
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(LIMIT)
        self._reader.join(timeout)
        assert not self._reader.is_alive(), "something that it has started left its session, and runs on"


class Runtimes:
    """Starts runtimes, and ends at the end what still runs of them. `make`: as `Runtime`."""

    def __init__(
        self,
        folder: Path,
        address: str,
        make: Callable[[Sequence[str], Path, dict[str, str], Sequence[int]], Runtime] = Runtime,
    ) -> None:
        self._folder = folder
        self._address = address
        self._make = make
        self._started: list[Runtime] = []

    def __call__(
        self, code: str | Path, *args: str, client: str = "bridge.runtime", pass_fds: Sequence[int] = (), **environ: str
    ) -> Runtime:
        """Start `python -m CLIENT ARGS` where a module `app` has `code`, or in a folder that exists already.

        It has an environment as small as Lambda's, and `environ`.
        """
        folder = code if isinstance(code, Path) else self._write(code)
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_RUNTIME_API": self._address,
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        }
        runtime = self._make([sys.executable, "-m", client, *args], folder, variables | environ, pass_fds)
        self._started.append(runtime)
        return runtime

    def _write(self, code: str) -> Path:
        folder = self._folder / f"task_{len(self._started)}"
        folder.mkdir()
        (folder / "app.py").write_text(code)
        return folder

    def end(self) -> None:
        for runtime in self._started:
            runtime.end()
