"""The function's own code: what `module:attribute` names, and what kind of handler that is."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any

from bridge.errors import HandlerNotLoaded
from bridge.handler import Bridge, Handler

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ASYNC", "HANDLER", "SYNC", "Kind", "classify", "load", "prepare_path"]

# What a handler is: one of ours, or an async or a plain function of two arguments.
Kind = str
HANDLER, ASYNC, SYNC = "handler", "async", "sync"


def prepare_path(task_root: str) -> None:
    """Make the function's own modules importable, and those of its layers, as AWS's own runtime does.

    https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html
    """
    version = ".".join(map(str, sys.version_info[:2]))
    layers = [f"/opt/python/lib/python{version}/site-packages", "/opt/python"]
    wanted = [task_root, *(path for path in layers if os.path.isdir(path))]
    sys.path[:0] = [path for path in wanted if path and path not in sys.path]


def load(name: str) -> Any:
    """What `name` names: "module:attribute", or Lambda's "module.attribute" with dots or slashes in the module.

    Raises HandlerNotLoaded with Lambda's name for the fault, and what the import of the module raises.
    """
    module_name, separator, attribute = name.rpartition(":")
    if not separator:
        module_name, separator, attribute = name.rpartition(".")
    if not module_name or not attribute:
        raise HandlerNotLoaded(
            f"Expected a handler such as 'main:app' or 'main.handler', but got {name!r:.200}. Set the function's "
            "handler (the image's command), or name it on the command line.",
            error_type="Runtime.MalformedHandlerName",
        )
    module = _import(module_name.replace("/", "."))
    try:
        for part in attribute.split("."):
            module = getattr(module, part)
    except AttributeError:
        raise HandlerNotLoaded(
            f"Expected {attribute!r} in the module {module_name!r}, but it has none. Is the handler {name!r} spelt "
            "right?",
            error_type="Runtime.HandlerNotFound",
        ) from None
    return module


def _import(name: str) -> Any:
    root = name.partition(".")[0]
    if root in sys.builtin_module_names:
        raise HandlerNotLoaded(
            f"The module {name!r} has the name of one that is built into Python: rename it.",
            error_type="Runtime.BuiltInModuleConflict",
        )
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise HandlerNotLoaded(
            f"Unable to import module {name!r}: {exc}", error_type="Runtime.ImportModuleError"
        ) from exc
    except SyntaxError as exc:
        raise HandlerNotLoaded(
            f"Syntax error in module {name!r}: {exc}", error_type="Runtime.UserCodeSyntaxError"
        ) from exc


def classify(found: Any, name: str) -> tuple[Kind, Any]:
    """The kind of handler that `found` is, and what to call: an ASGI application gets a Bridge around it.

    Raises HandlerNotLoaded, and what Bridge raises.
    """
    if isinstance(found, Handler):
        return HANDLER, found
    if not callable(found):
        raise _no_handler(name, f"is {type(found).__name__}, which is no callable")
    parameters = _positional(found)
    if parameters is not None and "start_response" in parameters:
        command = f"python -m bridge.runtime --proxy -- gunicorn {name}"
        raise _no_handler(name, f"is a WSGI application: serve it with '{command}'")
    if parameters is None or len(parameters) == 2:
        return (ASYNC if _is_async(found) else SYNC), found
    if len(parameters) == 3:
        return HANDLER, Bridge(found)
    raise _no_handler(name, f"takes {len(parameters)} arguments")


def _no_handler(name: str, what: str) -> HandlerNotLoaded:
    return HandlerNotLoaded(
        f"Expected {name!r} to be an ASGI application, a Bridge, a Proxy, or a function of event and context, but it "
        f"{what}.",
        error_type="Runtime.HandlerNotFound",
    )


def _positional(function: Callable[..., Any]) -> list[str] | None:
    """The names of what must or can be given by position; None if any number can, or nobody can tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [parameter for parameter in parameters if parameter.kind in kinds]
    needed = [parameter.name for parameter in given if parameter.default is parameter.empty]
    # A function of event and context may have options of its own behind them.
    return needed if len(needed) >= 2 else [parameter.name for parameter in given[:2]]


def _is_async(function: Any) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004  # not whether it can be called, but how
    return inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(call)
