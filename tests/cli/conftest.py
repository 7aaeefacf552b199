"""Commands run in this process, from a folder of their own."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli.commands import commands

Run = Callable[..., Result]
WriteModule = Callable[[str], str]
WriteEvent = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `python -m bridge` with these arguments in `tmp_path`; what it imports from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def run(*arguments: str, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(commands, list(arguments), input=stdin)

    yield run
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def module(tmp_path: Path) -> WriteModule:
    """Write a module, and return its name: each test has one of its own."""

    def write(code: str) -> str:
        name = f"shop_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return write


@pytest.fixture
def event_file(tmp_path: Path) -> WriteEvent:
    def write(event: Any, name: str = "event.json") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(event if isinstance(event, str) else json.dumps(event))
        return name

    return write
