"""A Lambda function under AWS's own Runtime Interface Emulator, invoked with boto3.

https://github.com/aws/aws-lambda-runtime-interface-emulator

The emulator starts the runtime at the first invocation, and crashes on a second one at the same time: invoke one after
the other, and give every test that breaks something an emulator of its own.
"""

import contextlib
import importlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from tests.integration.pypi import fetch_from_wheel

__all__ = ["Answer", "Emulator", "fetch_emulator", "missing_platform"]

FUNCTIONS = Path(__file__).parent / "functions"
HOST = "127.0.0.1"

# How long a step may take before the test fails, in seconds. None is ever waited for in full when things work.
START_TIMEOUT = 20.0
INVOKE_TIMEOUT = 30.0
LOG_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0

# What `uname -m` says -> what AWS calls the emulator that runs there.
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def missing_platform() -> str | None:
    """Why AWS's emulator cannot run on this machine, or None."""
    if sys.platform == "linux" and platform.machine() in _ARCHITECTURES:
        return None
    return f"The Runtime Interface Emulator exists for Linux on x86_64 and arm64, not for {platform.platform()}."


def fetch_emulator(cache: Path) -> Path:
    """The emulator's binary, which AWS ships inside the wheel of its SAM command line."""
    name = f"aws-lambda-rie-{_ARCHITECTURES[platform.machine()]}"
    return fetch_from_wheel("aws-sam-cli>=1.140", f"samcli/local/rapid/{name}", cache / name)


class Answer(NamedTuple):
    """What the invoker gets: the HTTP status, and the function's JSON. An invocation error is a 200 here, too."""

    status: int
    payload: Any


class Emulator:
    """One execution environment: `python -m awslambdaric HANDLER` in the folder of functions, under the emulator.

    `journal`: a file that the function writes, its path in the function's JOURNAL variable.
    """

    def __init__(self, binary: Path, handler: str, journal: Path, environ: Mapping[str, str] | None = None) -> None:
        self._binary = binary
        self._handler = handler
        self._journal = journal
        # Nothing of the tester's own environment but PATH: no credentials, no proxies, no settings of the bridge.
        self._environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            "JOURNAL": str(journal),
            **(environ or {}),
        }
        self._log: list[str] = []
        self._logged = threading.Condition()
        self._failures: list[Answer] = []

    def __enter__(self) -> Self:
        self._port, runtime_port = _free_ports(2)
        command: list[str | Path] = [self._binary, "--runtime-interface-emulator-address", f"{HOST}:{self._port}"]
        command += ["--runtime-api-address", f"{HOST}:{runtime_port}", sys.executable, "-m", "awslambdaric"]
        self._process = subprocess.Popen(
            [*command, self._handler],
            cwd=FUNCTIONS,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            self._wait_until_listening()
            self._client = self._make_client()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()
        self._stop()

    def invoke(self, event: object) -> Answer:
        """Invoke the function with boto3, and wait for its answer."""
        try:
            answer = self._client.invoke(FunctionName="function", Payload=json.dumps(event))
        except self._client.exceptions.ClientError:
            # boto3 understands AWS's own error documents alone, and gives none of this one away.
            return self._failures.pop()
        with contextlib.closing(answer["Payload"]) as payload:
            return Answer(answer["StatusCode"], json.loads(payload.read()))

    def journal(self) -> list[str]:
        """The lines that the function has written so far."""
        return self._journal.read_text(encoding="utf-8").splitlines() if self._journal.exists() else []

    def wait_for_log(self, text: str) -> str:
        """The log of emulator, runtime and function up to now, as soon as it holds `text`."""
        with self._logged:
            if self._logged.wait_for(lambda: text in "".join(self._log), LOG_TIMEOUT):
                return "".join(self._log)
        raise AssertionError(f"{text!r} was not logged within {LOG_TIMEOUT} s:\n{''.join(self._log)}")

    def runtime_pid(self) -> int:
        """The process id of the runtime, which the first invocation starts."""
        (pid,) = (pid for pid in _processes_of_session(self._process.pid) if pid != self._process.pid)
        return pid

    def _read_log(self) -> None:
        """In pieces, not in lines: what awslambdaric logs ends without a line feed, and has \\r for those within."""
        assert self._process.stdout is not None
        while piece := os.read(self._process.stdout.fileno(), 65536):
            with self._logged:
                self._log.append(piece.decode("utf-8", "replace").replace("\r", "\n"))
                self._logged.notify_all()

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self._port), timeout=1).close()
            except OSError:
                time.sleep(0.01)  # A port tells nobody that it is open now.
            else:
                return
        raise AssertionError(f"The emulator does not listen on port {self._port}:\n{''.join(self._log)}")

    def _make_client(self) -> Any:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            patch.setenv("AWS_CONFIG_FILE", os.devnull)
            patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
            client = boto3.session.Session().client(
                "lambda",
                endpoint_url=f"http://{HOST}:{self._port}",
                region_name="eu-west-1",
                aws_access_key_id="no",
                aws_secret_access_key="credentials",
                config=config.Config(retries={"total_max_attempts": 1}, read_timeout=INVOKE_TIMEOUT, proxies={}),
            )
        client.meta.events.register("before-parse.lambda.Invoke", self._keep_failure)
        return client

    def _keep_failure(self, response_dict: dict[str, Any], **_: object) -> None:
        if response_dict["status_code"] >= 300:
            self._failures.append(Answer(response_dict["status_code"], json.loads(response_dict["body"])))

    def _stop(self) -> None:
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
        assert self._process.stdout is not None
        self._process.stdout.close()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _processes_of_session(session: int) -> list[int]:
    """The ids of all processes in a session: the emulator gives its runtime a process group of its own."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended since.
            # The command's name is in parentheses and may contain anything; then come state, parent, group, session.
            state, _, _, owner, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(owner) == session and state != "Z":
                pids.append(int(stat.parent.name))
    return pids
