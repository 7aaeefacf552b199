"""The environment variables that only the command line reads: those that the function has, here or on Lambda."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

__all__ = ["exec_wrapper", "first_set", "shell_variables"]


def first_set(names: Iterable[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return the first of `names` that is set; "" if none is."""
    return next((name for name in names if name in environ), "")


def exec_wrapper(environ: Mapping[str, str] = os.environ) -> str:
    """Return the path of the script that Lambda starts in place of its runtime; "" without one."""
    return environ.get("AWS_LAMBDA_EXEC_WRAPPER", "")


def shell_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return all variables, for a process of the function's own."""
    return dict(environ)
