"""The choice of the httpx flavour: `httpx`, or `httpx2`, its maintained continuation with the same API.

No process should import both. This module takes the flavour that the application has imported, else httpx, else httpx2,
which needs about 9 ms of CPU more to import (docs/benchmarks.md).
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["httpcore", "httpx", "import_flavour"]

_FLAVOURS = ("httpx", "httpx2")

# httpx 0.27 and 0.28 import this module, and with it click and rich, if those are installed.
_COMMAND_LINE = "httpx._main"


def import_flavour(*names: str) -> ModuleType:
    """Return the flavour that is already imported, or that another thread imports now, else the first installed one.

    `names`: the flavours in the order of preference. Raises ModuleNotFoundError if none of them is installed.
    """
    for name in _FLAVOURS:
        if sys.modules.get(name) is not None:
            return import_module(name)  # waits for a thread that is in the middle of the import
    for name in names[:-1]:
        try:
            return _import_quickly(name)
        except ModuleNotFoundError as exc:
            if exc.name != name:  # it is installed, but broken
                raise
    return _import_quickly(names[-1])


def _import_quickly(name: str) -> ModuleType:
    """Import httpx without its command line client: 60 ms of every cold start that no Lambda function needs.

    None in sys.modules makes that one import fail, and httpx allows for that. If httpx no longer has the module, the
    None changes nothing. `httpx.main` then imports the client when it is called.
    """
    if name != "httpx" or _COMMAND_LINE in sys.modules:
        return import_module(name)
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        module = import_module(name)
    finally:
        del sys.modules[_COMMAND_LINE]
    without_client = getattr(module, "main", None)
    if without_client is not None:
        module.main = lambda *args, **kwargs: _run_client(without_client, *args, **kwargs)  # type: ignore[attr-defined]
    return module


def _run_client(without_client: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        main = import_module(_COMMAND_LINE).main
    except ImportError:
        return without_client()  # which says what to install
    return main(*args, **kwargs)


if TYPE_CHECKING:
    import httpx
else:
    httpx = import_flavour(*_FLAVOURS)


def httpcore() -> Any:
    """Import httpcore2 if it is installed, else httpcore: a request needs a tenth less time with it.

    Only a socket needs it: `import bridge` does without it. It need not be that of the httpx flavour, which never gets
    one of its objects.
    """
    return import_module("httpcore2" if "httpcore2" in sys.modules or find_spec("httpcore2") else "httpcore")
