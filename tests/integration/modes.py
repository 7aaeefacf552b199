"""One module in both modes, `BRIDGE_MODE=in-process` and `BRIDGE_MODE=proxy`."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge import Bridge

__all__ = ["Pair", "load_pair"]


@dataclass
class Pair:
    """The handlers of one module, imported here once in each mode."""

    in_process: Bridge
    proxied: Bridge

    def ask(self, event: dict[str, Any], context: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.in_process(event, context), self.proxied(event, context)


@contextmanager
def load_pair(folder: Path, source: str) -> Iterator[Pair]:
    """Write a module with this source, and import it in both modes. The handlers are closed at the end."""
    name = f"modes_{folder.name}".replace("-", "_")
    folder.joinpath(f"{name}.py").write_text(source)
    handlers = []
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for variable in list(os.environ):
            if variable.startswith(("AWS_LAMBDA_", "AWS_LWA_", "BRIDGE_")):
                patch.delenv(variable)
        patch.setenv("_HANDLER", f"{name}.handler")
        for mode in ("in-process", "proxy"):
            patch.setenv("BRIDGE_MODE", mode)
            sys.modules.pop(name, None)
            handlers.append(importlib.import_module(name).handler)
            stack.callback(handlers[-1].close)
        yield Pair(*handlers)
