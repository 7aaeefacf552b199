"""What the tests of the sample applications share: their modules, their events, and results that many have."""

import json
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "SAMPLE_APPS",
    "Result",
    "event_names",
    "load",
    "read_event",
    "redirect",
    "run",
    "run_readme",
    "with_cookies",
]

SAMPLE_APPS = Path(__file__).parents[2] / "sample_apps"

Result = dict[str, Any]


def load(file: str) -> ModuleType:
    """The module in a file of sample_apps/, executed anew as a new Lambda environment would."""
    name = f"sample_{file.removesuffix('.py').replace('/', '_')}"
    spec = spec_from_file_location(name, SAMPLE_APPS / file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_event(app: str, name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((SAMPLE_APPS / app / "events" / f"{name}.json").read_text())
    return event


def event_names(app: str) -> list[str]:
    return sorted(path.stem for path in (SAMPLE_APPS / app / "events").iterdir())


def run(*command: str) -> tuple[int, str, str]:
    """Exit code, output and error output."""
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def run_readme(app: str) -> list[str]:
    """The lines that the Python code in the README of a sample application prints, in its folder."""
    readme = (SAMPLE_APPS / app / "README.md").read_text()
    code = re.search(r'^python -c "\n(.+?)^"$', readme, re.MULTILINE | re.DOTALL)
    assert code is not None
    done = subprocess.run(
        [sys.executable, "-c", code[1]],
        cwd=SAMPLE_APPS / app,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def with_cookies(content_type: str, body: str, *, status: int = 200) -> Result:
    return {
        "statusCode": status,
        "headers": {"content-length": str(len(body)), "content-type": content_type},
        "cookies": [],
        "body": body,
        "isBase64Encoded": False,
    }


def redirect(location: str, cookie: str) -> Result:
    return {
        "statusCode": 303,
        "headers": {"content-length": "0", "location": location},
        "cookies": [cookie],
        "body": "",
        "isBase64Encoded": False,
    }
