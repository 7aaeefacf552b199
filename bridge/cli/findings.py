"""What `check` finds out about a function. Nothing here prints."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from bridge.cli.folder import MAX_UNZIPPED, Folder, measured
from bridge.cli.import_time import ImportTime, import_time
from bridge.cli.loading import load_target
from bridge.cli.settings import exec_wrapper, first_set
from bridge.errors import BridgeError
from bridge.handler import Handler
from bridge.settings import Settings

__all__ = ["Finding", "Report", "Setting", "examined"]

# The init phase of Lambda, in seconds: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
_INIT_LIMIT = 10

_MB = 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One remark. `is_error`: the function will fail; else something is ignored, or needs a look."""

    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Setting:
    """A setting that does not have its default, and where its value comes from."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Report:
    kind: str
    settings: tuple[Setting, ...]
    imported: ImportTime
    folder: Folder
    findings: tuple[Finding, ...]


def examined(target: str, folder: str) -> Report:
    """Import the function, and look at it, at its variables and at its folder."""
    module = target.rpartition(":")[0] or target.rpartition(".")[0]
    imported = import_time(module.replace("/", "."), folder) if module else ImportTime(0, ())
    found: Any = None
    findings: list[Finding] = []
    with _warnings() as texts:
        try:
            found = load_target(target)
        except click.UsageError as exc:
            findings.append(Finding(exc.message, is_error=True))
        except BridgeError as exc:
            findings.append(Finding(str(exc), is_error=True))
        except (Exception, SystemExit) as exc:  # a module that ends the process fails the init phase
            findings.append(Finding(f"The import failed: {type(exc).__name__}: {exc}", is_error=True))
    findings += [Finding(text) for text in texts]
    size = measured(folder)
    if found is not None or not imported.error:  # else it is the same error, which is named already
        findings += _about_import(imported)
    findings += [*_about_wrapper(folder), *_about_folder(size)]
    return Report(_kind(found), tuple(_settings(found)), imported, size, tuple(findings))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what this package logs as a warning or worse."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logger = logging.getLogger("bridge")
    logger.addHandler(collector)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield texts
    finally:
        logger.propagate = propagates
        logger.removeHandler(collector)


def _kind(found: Any) -> str:
    if found is None:
        return "not loaded"
    if not isinstance(found, Handler):
        return "a function of event and context"
    app = getattr(found, "app", None)
    name = type(found).__name__
    return name if app is None else f"{name} of {type(app).__module__}.{type(app).__qualname__}"


def _settings(found: Any) -> Iterator[Setting]:
    if not isinstance(found, Handler):
        return
    settings = found._parts.settings
    defaults = Settings.defaults()
    for name, value in settings.values().items():
        variable = first_set(Settings.variables()[name])
        if variable or value != defaults[name]:
            yield Setting(name, value, variable or "an argument")


def _about_import(imported: ImportTime) -> Iterator[Finding]:
    if imported.error:
        last = imported.error.strip().splitlines()[-1:]
        yield Finding(f"The import fails in a process of its own: {''.join(last)}", is_error=True)
    elif imported.milliseconds > _INIT_LIMIT * 1000:
        text = f"The import takes {imported.milliseconds / 1000:.1f} s, and Lambda's init phase has {_INIT_LIMIT} s."
        yield Finding(text)


def _about_wrapper(folder: str) -> Iterator[Finding]:
    """A zip file made on Windows, or unpacked by some tools, loses the run bit of the wrapper script."""
    wrapper = exec_wrapper()
    root = "/var/task/"
    path = os.path.join(folder, wrapper.removeprefix(root)) if wrapper.startswith(root) else wrapper
    if not wrapper:
        return
    if not os.path.exists(path):
        yield Finding(
            f"AWS_LAMBDA_EXEC_WRAPPER is {wrapper!r}, and there is no such file in the folder.",
            not path.startswith("/opt"),
        )
    elif not os.access(path, os.X_OK):
        yield Finding(f"The wrapper {path!r} has lost its run bit: chmod +x, before it is zipped.", is_error=True)


def _about_folder(folder: Folder) -> Iterator[Finding]:
    if folder.size > MAX_UNZIPPED:
        text = (
            f"The folder has {folder.size / _MB:.0f} MB, and Lambda accepts {MAX_UNZIPPED // _MB} MB with all layers."
        )
        yield Finding(text, is_error=True)
    for path, size in folder.unwanted:
        yield Finding(f"{path} ({size / _MB:.1f} MB) does not belong in a deployment.")
