"""The same function in both modes, `BRIDGE_MODE=in-process` and `BRIDGE_MODE=proxy`: here, and as Lambda runs it."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge

__all__ = ["ANSWER", "MODES", "Function", "Outcome", "Pair", "bodies", "load_pair", "processes_of", "until_waiting"]

ROOT = Path(__file__).parent.parent.parent

MODES = ("in-process", "proxy")

# The beginning of most modules under test.
ANSWER = """
import json, os, sys
from bridge import Bridge

async def answer(send, value, status=200):
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})

def app_of(value):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await answer(send, value())
    return app
"""

# What awslambdaric does with a handler, and in this order: the folder on the path, a root log handler, the import,
# then one event after the other. Nothing connects to the Runtime API.
RUNTIME = """
import importlib, json, logging, os, sys, time

def main():
    from awslambdaric.lambda_context import LambdaContext

    with open(os.environ.pop("TEST_EVENTS")) as file:
        events = json.load(file)
    end = os.environ.pop("TEST_END", "")
    sys.path.insert(0, os.getcwd())
    to_log = logging.StreamHandler(sys.stdout)
    to_log.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logging.getLogger().addHandler(to_log)
    name, _, attribute = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(name.replace("/", ".")), attribute)
    results, pid = [], os.getpid()
    for number, event in enumerate(events):
        os.environ["_X_AMZN_TRACE_ID"] = f"Root=1-65a1b2c3-{number:024x}"
        identity = {"cognitoIdentityId": "me", "cognitoIdentityPoolId": "pool"}
        context = LambdaContext(f"request-{number}", None, identity, int(time.time() * 1000) + 60_000, "arn", "acme")
        try:
            results.append(handler(event, context))
        except BaseException as exc:
            if os.getpid() != pid:
                raise
            results.append({"raised": f"{type(exc).__name__}: {exc}"})
    with open(os.environ["TMPDIR"] + ".json", "w") as file:
        json.dump(results, file)
    print("waiting", flush=True)
    while not end:  # a signal that comes just before a longer sleep would only be seen when it ends
        time.sleep(0.01)

if __name__ == "__main__":
    main()
"""


def bodies(results: list[Any]) -> list[Any]:
    """The JSON in each result's body; a result without a body as it is."""
    return [json.loads(result["body"]) if "body" in result else result for result in results]


@dataclass
class Outcome:
    """What came of one run. `results`: a result for each event; {"raised": ...} for one that failed."""

    returncode: int
    results: list[Any]
    stdout: str
    stderr: str


def until_waiting(process: "subprocess.Popen[str]") -> str:
    """What it says on stdout until it has handled all events; or to its end, if it ends before."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        if line == "waiting\n":
            break
        lines.append(line)
    return "".join(lines)


@dataclass
class Function:
    """A deployment package in a folder of its own. `handler`: as in the function's configuration."""

    folder: Path
    handler: str = "app.handler"
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def start(self, mode: str, events: list[Any], *, program: str = "", **environ: str) -> "subprocess.Popen[str]":
        """`program`: a file in the folder to run instead of the runtime."""
        runtime, given = self.folder.parent / "bootstrap.py", self.folder.parent / "events.json"
        runtime.write_text(RUNTIME)
        given.write_text(json.dumps(events))
        self.temporary(mode).mkdir(exist_ok=True)
        variables = {
            "PYTHONPATH": str(ROOT),
            "BRIDGE_MODE": mode,
            "TMPDIR": str(self.temporary(mode)),
            "TEST_EVENTS": str(given),
        }
        if not program:
            variables |= {
                "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
                "AWS_LAMBDA_FUNCTION_NAME": "shop",
                "_HANDLER": self.handler,
            }
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        process = subprocess.Popen(
            [sys.executable, *(program.split() or (str(runtime), self.handler))],
            cwd=self.folder,
            env=inherited | variables | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def outcome(self, process: "subprocess.Popen[str]", mode: str, said: str = "") -> Outcome:
        """Wait for its end. The pipes are read to theirs, so no child that holds them may be left either."""
        stdout, stderr = process.communicate(timeout=20)
        file = self.temporary(mode).with_suffix(".json")
        results = json.loads(file.read_text()) if file.exists() else []
        return Outcome(process.returncode, results, said + stdout, stderr)

    def run(self, mode: str, events: list[Any], *, program: str = "", **environ: str) -> Outcome:
        """A program runs to its end; the runtime is ended as Lambda ends it, once it has nothing more to do."""
        process = self.start(mode, events, program=program, **environ)
        if program:
            return self.outcome(process, mode)
        said = until_waiting(process)
        process.terminate()
        return self.outcome(process, mode, said)

    def run_both(self, events: list[Any], *, program: str = "", **environ: str) -> tuple[Outcome, Outcome]:
        in_process, proxied = (self.run(mode, events, program=program, **environ) for mode in MODES)
        return in_process, proxied

    def temporary(self, mode: str) -> Path:
        return self.folder.parent / mode

    def left_behind(self, mode: str) -> list[str]:
        """What is still in the folder for temporary files."""
        return sorted(path.name for path in self.temporary(mode).iterdir())

    def close(self) -> None:
        for pid in processes_of(self.folder):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for process in self.running:
            process.kill()
            process.communicate()


def processes_of(folder: Path) -> list[int]:
    """The processes that work in `folder`. A zombie works nowhere any more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if Path(os.readlink(entry / "cwd")) == folder:
                    found.append(int(entry.name))
    return sorted(found)


@dataclass
class Pair:
    """The handlers of one module, imported here once in each mode."""

    in_process: Bridge
    proxied: Bridge

    def ask(self, event: dict[str, Any], context: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.in_process(event, context), self.proxied(event, context)

    def answer(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """The result, which is the same in both modes."""
        in_process, proxied = self.ask(event, context)
        assert proxied == in_process
        return in_process


@contextmanager
def load_pair(folder: Path, source: str, **environ: str) -> Iterator[Pair]:
    """A module with this source, in both modes; each is closed at the end."""
    name = f"modes_{folder.name}".replace("-", "_")
    folder.joinpath(f"{name}.py").write_text(source)
    handlers = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(folder))
            for variable in list(os.environ):
                if variable.startswith(("AWS_LAMBDA_", "AWS_LWA_", "BRIDGE_")) or variable == "_HANDLER":
                    patch.delenv(variable)
            for variable, value in environ.items():
                patch.setenv(variable, value)
            for mode in MODES:
                patch.setenv("BRIDGE_MODE", mode)
                handlers.append(importlib.import_module(name).handler)
                del sys.modules[name]
        yield Pair(*handlers)
    finally:
        for handler in handlers:
            handler.close()
