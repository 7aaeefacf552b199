"""AWS's Runtime Interface Emulator as a process: its start, its log, what runs under it, its end."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.integration.invoker import Invoker, Response
from tests.proxy.programs import free_port

__all__ = ["FUNCTIONS", "HOST", "START_TIMEOUT", "EmulatorProcess"]

FUNCTIONS = Path(__file__).parent / "functions"
HOST = "127.0.0.1"

# How long a step may take before the test fails, in seconds. None is ever waited for in full when things work.
START_TIMEOUT = 60.0
LOG_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0


class EmulatorProcess:
    """One execution environment, from `__enter__` to `stop`; a subclass knows how it starts and when it is up.

    `journal`: a file that the function writes, its path in the function's JOURNAL variable. `functions`: the folder
    that the runtime starts in. `log_file`: where the log goes in place of this process, which it would wake up in every
    invocation; then nothing can be waited for.
    """

    def __init__(
        self,
        *,
        functions: Path,
        journal: Path | None,
        environ: Mapping[str, str] | None,
        log_file: Path | None = None,
    ) -> None:
        self._functions = functions
        self._journal = journal
        self._log_file = log_file
        # Nothing of the tester's own environment but PATH: no credentials, no proxies, no settings of bridge.
        self._environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            **({"JOURNAL": str(journal)} if journal is not None else {}),
            **(environ or {}),
        }
        self._log: list[str] = []
        self._logged = threading.Condition()
        self._log_ended = False

    def _command(self, addresses: Sequence[str]) -> Sequence[str | Path]:
        """Return the command of the emulator. `addresses`: its options."""
        raise NotImplementedError

    def _wait_until_up(self) -> None:
        """Return when the function can be invoked, else raise AssertionError."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.port = free_port(1)
        runtime_port = self.port + 1
        addresses = ["--runtime-interface-emulator-address", f"{HOST}:{self.port}"]
        addresses += ["--runtime-api-address", f"{HOST}:{runtime_port}"]
        with contextlib.ExitStack() as files:
            output = files.enter_context(self._log_file.open("wb")) if self._log_file else subprocess.PIPE
            self._process = subprocess.Popen(
                self._command(addresses),
                cwd=self._functions,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @cached_property
    def _invoker(self) -> Invoker:
        """Made when it is needed, because boto3 may be missing where nothing is invoked."""
        return Invoker(HOST, self.port)

    def exchange(self, event: object, **about: Any) -> Response:
        """Invoke the function: the emulator's answer as it is. `about`: see `Invoker.invoke`."""
        try:
            return self._invoker.invoke(event, **about)
        except Exception as exc:
            exc.add_note(f"The log of the emulator up to now:\n{self.log()}")
            raise

    def journal(self) -> list[str]:
        """Return the lines that the function has written so far."""
        if self._journal is None or not self._journal.exists():
            return []
        return self._journal.read_text(encoding="utf-8").splitlines()

    def log(self) -> str:
        """Return the log of emulator, runtime and function up to now."""
        if self._log_file is not None:
            return self._log_file.read_text(encoding="utf-8", errors="replace")
        with self._logged:
            return "".join(self._log)

    def wait_for_log(self, text: str) -> str:
        """Return the log of emulator, runtime and function up to now, as soon as it holds `text`."""
        assert self._wait_until(lambda log: text in log, LOG_TIMEOUT), (
            f"{text!r} was not logged within {LOG_TIMEOUT} s:\n{self.log()}"
        )
        return self.log()

    def runtime_pids(self) -> list[int]:
        """Return the ids of all processes that the emulator's runtime consists of, the eldest first."""
        return sorted(pid for pid in _processes_of_session(self._process.pid) if pid != self._process.pid)

    def wait_for_exit(self) -> int:
        """Return the exit status of the emulator, as soon as it has ended by itself."""
        return self._process.wait(LOG_TIMEOUT)

    def stop(self) -> None:
        """End the emulator, and with it the runtime; after a crash of the emulator the runtime is an orphan."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT)
        for pid in _processes_of_session(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(STOP_TIMEOUT)
        if self._process.stdout is not None:
            self._process.stdout.close()
        if "_invoker" in vars(self):
            self._invoker.close()

    def _wait_until(self, holds: Callable[[str], bool], timeout: float) -> bool:
        """Wait until `holds` is true of the log. Return False at the timeout and after the last line."""
        with self._logged:
            self._logged.wait_for(lambda: self._log_ended or holds("".join(self._log)), timeout)
            return holds("".join(self._log))

    def _read_log(self) -> None:
        """In pieces, not in lines: what awslambdaric logs ends without a line feed, and has \\r for those within."""
        while self._process.stdout is not None and (piece := os.read(self._process.stdout.fileno(), 65536)):
            with self._logged:
                self._log.append(piece.decode("utf-8", "replace").replace("\r", "\n"))
                self._logged.notify_all()
        with self._logged:
            self._log_ended = True
            self._logged.notify_all()


def _processes_of_session(session: int) -> list[int]:
    """Return the ids of all processes in a session: the emulator gives its runtime a process group of its own."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended since.
            # The command's name is in parentheses and may contain anything; then come state, parent, group, session.
            state, _, _, owner, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(owner) == session and state != "Z":
                pids.append(int(stat.parent.name))
    return pids
