"""The handler of a function: its import by name, and its kind."""

from __future__ import annotations

import importlib
import inspect
import os
import site
import sys
from typing import TYPE_CHECKING, Any

from bridge._interface import ADVICE, ASGI, WSGI, called, examine
from bridge.application import Bridge
from bridge.errors import HandlerNotLoaded
from bridge.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["ASYNC", "HANDLER", "LAYERS", "SYNC", "Kind", "classify", "load", "prepare_path"]

# The kind of a handler: a Handler, or an async or a plain function of two arguments.
Kind = str
HANDLER, ASYNC, SYNC = "handler", "async", "sync"

# Where Lambda puts the Python packages of a function's layers.
# https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
LAYERS = "/opt/python"

# The modules whose frames come before those of a module that is imported.
_MACHINERY = (__name__, "importlib")


def prepare_path(task_root: str, runtime_dir: str) -> None:
    """Give `sys.path` the order of AWS's own runtime: the function's folder, its layers, what is there already, and
    last the folder of Lambda's Python (`runtime_dir`), which has boto3.

    As there, .pth files in the function's folder and in layers are read.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    folders = [task_root, f"{LAYERS}/lib/python{version}/site-packages", LAYERS]
    first = [folder for folder in folders if os.path.isdir(folder)]
    rest = [path for path in sys.path if path not in first]
    last = [runtime_dir] if runtime_dir not in rest and os.path.isdir(runtime_dir) else []
    sys.path[:] = [*first, *rest, *last]
    for folder in first:
        site.addsitedir(folder)


def load(name: str) -> Any:
    """Import and return "module:attribute", or Lambda's "module.attribute" with dots or slashes in the module.

    Raises HandlerNotLoaded with Lambda's name for the fault, and every other exception of the import.
    """
    module_name, attribute = _split(name)
    found = module = _import(module_name, attribute)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as exc:
        is_plain = exc.__traceback__ is None or exc.__traceback__.tb_next is None  # not from code of the module
        raise HandlerNotLoaded(
            f"Expected {attribute!r} in the module {module_name!r} ({getattr(module, '__file__', 'no file')}), but it "
            f"has none. {_spelling(name, module_name, attribute)}",
            error_type="Runtime.HandlerNotFound",
        ) from (None if is_plain else exc)
    return found


def _spelling(name: str, module_name: str, attribute: str) -> str:
    if attribute == "py":
        return f"Write '{module_name}:app', if the application is 'app' there."
    return f"Is the handler {name!r} spelt right?"


def _split(name: str) -> tuple[str, str]:
    module_name, separator, attribute = name.rpartition(":")
    if not separator:
        module_name, _, attribute = name.rpartition(".")
    module_name = module_name.replace("/", ".")
    if not attribute or not all(module_name.split(".")):
        raise HandlerNotLoaded(
            f"Expected a handler such as 'main:app' or 'main.handler', but got {name!r:.200}. Set the function's "
            "handler (the image's command), or name it on the command line.",
            error_type="Runtime.MalformedHandlerName",
        )
    return module_name, attribute


def _import(name: str, attribute: str) -> Any:
    root = name.partition(".")[0]
    if root in sys.builtin_module_names:
        raise HandlerNotLoaded(
            f"The module {name!r} has the name of one that is built into Python: rename it.",
            error_type="Runtime.BuiltInModuleConflict",
        )
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        trace = _without_machinery(exc.__traceback__)
        raise HandlerNotLoaded(
            f"Unable to import module {name!r}: {exc}{'' if trace else _not_found(name, attribute, exc)}",
            error_type="Runtime.ImportModuleError",
        ) from (exc.with_traceback(trace) if trace else None)
    except SyntaxError as exc:
        raise HandlerNotLoaded(
            f"Syntax error in module {name!r}: {exc}", error_type="Runtime.UserCodeSyntaxError"
        ) from exc.with_traceback(_without_machinery(exc.__traceback__))


def _not_found(name: str, attribute: str, exc: ImportError) -> str:
    """Return what to do about a module that is not there; "" if it is there, but cannot be loaded."""
    if not isinstance(exc, ModuleNotFoundError):
        return ""
    if name.endswith(".py"):
        return f". Write '{name.removesuffix('.py')}:{attribute}', without '.py'."
    return f". It is not in {os.path.abspath(sys.path[0])}, and not an installed package."


def _without_machinery(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the module's first frame on; None if the module was not found, or not compiled."""
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_MACHINERY):
        trace = trace.tb_next
    return trace


def classify(found: Any, name: str) -> tuple[Kind, Any]:
    """Return the kind of a handler, and the object to call: an application gets a Bridge around it.

    What only a call could tell is a function. Raises HandlerNotLoaded, and the exceptions of Bridge.
    """
    if issubclass(type(found), Handler):  # isinstance() would believe a wrapper of a Handler that claims its class
        return HANDLER, found
    application = examine(found)
    if application.interface in (ASGI, WSGI):
        return HANDLER, Bridge(found)
    if application.may_be_function:
        return _function(found)
    raise _not_a_handler(name, application.description, ADVICE[application.interface])


def _function(found: Callable[..., Any]) -> tuple[Kind, Any]:
    """Return the kind of a function. That of a function which it wraps does not count: it may run that itself."""
    is_async = inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(called(found))
    return (ASYNC if is_async else SYNC), found


def _not_a_handler(name: str, description: str, advice: str) -> HandlerNotLoaded:
    return HandlerNotLoaded(
        f"Expected {name!r} to be an ASGI or WSGI application, a Bridge, Proxy or Handler, or a function of event and "
        f"context, but it is {description}. {advice}",
        error_type="Runtime.HandlerNotFound",
    )
