"""The function that a command is about: "module:attribute", found from the current folder."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from bridge.errors import ConfigurationError, HandlerNotLoaded
from bridge.runtime.loading import classify, load

__all__ = ["load_target"]


def load_target(name: str) -> Any:
    """Import and return a handler, or a handler function; an application gets a Bridge around it.

    Raises click.UsageError for a name under which there is neither, and what the import of its module raises.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        _, target = classify(load(name), name)
    except (HandlerNotLoaded, ConfigurationError) as exc:
        if isinstance(exc.__cause__, Exception):  # the module's own import failed: its traceback tells where
            raise exc.__cause__ from None
        raise click.UsageError(str(exc)) from None
    return target
