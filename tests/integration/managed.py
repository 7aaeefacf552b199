"""A Lambda function on Managed Instances, many invocations at a time, under AWS's own emulator and boto3.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html

With AWS_LAMBDA_MAX_CONCURRENCY the emulator ignores its command line, and starts /var/runtime/bootstrap in /var/task as
user 993. Both are there in a mount namespace of the emulator's own, which ends with it and leaves nothing. The
one thing that its user has and Lambda's has not is leave to read: the tester's Python may be where only root looks.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from tests.integration.emulator_process import FUNCTIONS, START_TIMEOUT, EmulatorProcess
from tests.integration.invoker import CLIENTS, Response
from tests.integration.rie import missing_platform

__all__ = ["RUNTIME_GID", "RUNTIME_UID", "ManagedAnswer", "ManagedEmulator", "missing_platform_for_managed_instances"]

# The user and the group of the runtime under the emulator.
RUNTIME_UID, RUNTIME_GID = 993, 990

# What the emulator logs about the runtime's requests: each poll is open until an invocation takes it.
_POLLED = 'msg="InvokeRouter: received runtime /next"'
_TAKEN = 'msg="Sending Invoke to Runtime"'

# Another /var, with the entries of the real one and those of Lambda. `unshare` keeps the mounts private.
_NAMESPACE = """
set -e
stage=$1 functions=$2 bootstrap=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$stage"
for entry in /var/*; do
    copy=$stage/${entry##*/}
    if [ -L "$entry" ]; then
        cp -P "$entry" "$copy"
    elif [ -d "$entry" ]; then
        mkdir "$copy"
        mount --rbind "$entry" "$copy"
    fi
done
mkdir -p "$stage/task" "$stage/runtime"
mount --bind -o ro "$functions" "$stage/task"
printf '%s\\n' '#!/bin/sh' "exec $bootstrap" > "$stage/runtime/bootstrap"
chmod 0755 "$stage/runtime/bootstrap"
mount --rbind "$stage" /var
exec setpriv --inh-caps=+dac_read_search --ambient-caps=+dac_read_search --securebits=+no_setuid_fixup "$@"
"""
_TOOLS = ("unshare", "mount", "setpriv")


@cache
def missing_platform_for_managed_instances() -> str | None:
    """Return why the emulator cannot run in Managed Instances mode on this machine, or None."""
    if reason := missing_platform():
        return reason
    if os.geteuid() != 0:
        return "Managed Instances mode of the emulator needs root, for a mount namespace."
    if absent := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"Managed Instances mode of the emulator needs {' and '.join(absent)} of util-linux."
    with TemporaryDirectory() as stage:
        tried = subprocess.run(
            _in_namespace(stage, FUNCTIONS, ["true"], ["true"]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode != 0:
        return f"Managed Instances mode of the emulator needs a mount namespace: {tried.stderr.strip()}"
    return None


class ManagedAnswer(NamedTuple):
    """The answer to the invoker. `error_type`: the error that the emulator distinguishes in this mode, or None."""

    status: int
    body: bytes
    error_type: str | None
    content_type: str | None

    @property
    def payload(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


class ManagedEmulator(EmulatorProcess):
    """One execution environment with many slots: the runtime that `command` starts, in the folder of functions.

    It is entered when all slots poll for an invocation. `journal`: as for `Emulator`.
    """

    def __init__(
        self,
        binary: Path,
        command: Sequence[str],
        *,
        max_concurrency: int = 8,
        environ: Mapping[str, str] | None = None,
        functions: Path = FUNCTIONS,
        journal: Path | None = None,
    ) -> None:
        concurrency = {"AWS_LAMBDA_MAX_CONCURRENCY": str(max_concurrency)}
        super().__init__(functions=functions, journal=journal, environ=concurrency | dict(environ or {}))
        self._binary = binary
        self._bootstrap = command
        self._slots = max_concurrency

    def __enter__(self) -> Self:
        self._stage = TemporaryDirectory()
        if self._journal is not None:
            self._journal.touch()
            os.chown(self._journal, RUNTIME_UID, RUNTIME_GID)
        return super().__enter__()

    def invoke(self, event: object, **about: Any) -> ManagedAnswer:
        """Invoke the function with boto3, and wait for its answer. `about`: see `Invoker.invoke`."""
        return _answer(self.exchange(event, **about))

    def invoke_many(self, events: Iterable[object]) -> list[ManagedAnswer]:
        """Invoke the function with all these concurrently; return the answers in the order of the events.

        An answer comes before its slot polls again, so a second burst wants `wait_for_polls` before it.
        """
        everything, invoker = list(events), self._invoker
        with ThreadPoolExecutor(min(len(everything), CLIENTS)) as threads:
            return [_answer(response) for response in threads.map(invoker.invoke, everything)]

    def wait_for_polls(self) -> None:
        """Return when all slots poll for an invocation."""
        self._wait_for_open_polls(lambda polls: polls >= self._slots, f"{self._slots} slots that poll")

    def wait_until_busy(self) -> None:
        """Return when every slot has an invocation, so that the next one would be refused."""
        self._wait_for_open_polls(lambda polls: polls == 0, "no slot that polls")

    def _wait_for_open_polls(self, holds: Callable[[int], bool], expected: str) -> None:
        assert self._wait_until(lambda log: holds(_open_polls(log)), START_TIMEOUT), (
            f"Expected {expected}, but got {_open_polls(self.log())}:\n{self.log()}"
        )

    def stop(self) -> None:
        super().stop()
        self._stage.cleanup()

    def _command(self, addresses: Sequence[str]) -> Sequence[str | Path]:
        emulator = [str(self._binary), *addresses, "--log-level", "debug"]
        return _in_namespace(self._stage.name, self._functions, self._bootstrap, emulator)

    def _wait_until_up(self) -> None:
        self.wait_for_polls()


def _in_namespace(stage: str, functions: Path, bootstrap: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return `command` in a namespace where /var/task has `functions`, and `bootstrap` is Lambda's program."""
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _NAMESPACE, "sh"]
    return [*shell, stage, str(functions), shlex.join(bootstrap), *command]


def _answer(response: Response) -> ManagedAnswer:
    status, headers, body = response
    return ManagedAnswer(status, body, headers.get("error-type"), headers.get("content-type"))


def _open_polls(log: str) -> int:
    return log.count(_POLLED) - log.count(_TAKEN)
