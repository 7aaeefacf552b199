"""The interface of an object that was given as an application: is it ASGI or WSGI, and if not, what is it?

https://asgi.readthedocs.io/en/stable/specs/main.html#applications
https://peps.python.org/pep-3333/#the-application-framework-side
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ADVICE",
    "ASGI",
    "ASGI2",
    "CLASS",
    "FACTORY",
    "FUNCTION",
    "NOT_CALLABLE",
    "OTHER",
    "UNKNOWN",
    "WSGI",
    "Application",
    "attribute",
    "called",
    "check_asgi",
    "check_wsgi",
    "examine",
    "interface_of",
]

# The interfaces. FUNCTION: of two arguments, as a handler function of event and context. UNKNOWN: only a call can tell.
ASGI, ASGI2, WSGI, FUNCTION, FACTORY = "ASGI", "ASGI 2", "WSGI", "function", "factory"
CLASS, NOT_CALLABLE, OTHER, UNKNOWN = "class", "not callable", "other", "unknown"

# The names that the specifications give to the parameters of applications.
_ASGI_NAMES = frozenset({"scope", "receive", "send"})
_WSGI_NAMES = frozenset({"environ", "start_response"})

# How many objects may call each other with their `__call__` until a function is found.
_MAX_CALLS = 5

# What to do with an object that is not an application of the interface that was expected.
ADVICE = {
    ASGI: "An ASGI application needs Bridge(app, interface='asgi'), or InProcessTransport(app).",
    ASGI2: "Make one of it with asgiref.compatibility.guarantee_single_callable().",
    WSGI: "A WSGI application needs Bridge(app, interface='wsgi'), or WSGITransport(app).",
    FUNCTION: "Lambda calls a handler function itself, without a Bridge. For a WSGI application set interface='wsgi'.",
    FACTORY: "Call it, and give its result to Bridge.",
    CLASS: "Make an instance of it, and give that to Bridge.",
    NOT_CALLABLE: "Give the application itself, such as main.app after 'import main'. A transport needs Handler.",
    OTHER: "Is it a decorator, or a method of a class? If it is an application, set interface='asgi' or 'wsgi'.",
    UNKNOWN: "Its parameters do not tell which it is: set interface='asgi' or interface='wsgi'.",
}


class Application:
    """The interface of an object, and the object in words for an error message.

    `may_be_function`: it may be a function of two arguments, which Lambda calls with the event and its context.
    """

    __slots__ = ("description", "interface", "may_be_function")

    def __init__(self, interface: str, description: str, may_be_function: bool = False) -> None:
        self.interface = interface
        self.description = description
        self.may_be_function = may_be_function


def check_asgi(app: object) -> None:
    """Raise ConfigurationError for an object that is certainly not an ASGI application."""
    found = examine(app)
    if found.interface not in (ASGI, UNKNOWN):
        raise _refusal("an ASGI application", found)


def check_wsgi(app: object) -> None:
    """Raise ConfigurationError for an object that is certainly not a WSGI application.

    The names of the two parameters are the application's own choice.
    """
    found = examine(app)
    if found.interface not in (WSGI, UNKNOWN) and not (found.interface == FUNCTION and not _is_async(app)):
        raise _refusal("a WSGI application", found)


def interface_of(app: object, wanted: object = "auto") -> str:
    """Return ASGI or WSGI, whichever `app` is. `wanted`: "asgi" or "wsgi" to insist on one.

    Raises ConfigurationError for an object that is neither, and for one that does not tell if nothing was insisted on.
    """
    if wanted == "asgi":
        check_asgi(app)
        return ASGI
    if wanted == "wsgi":
        check_wsgi(app)
        return WSGI
    if wanted != "auto":
        raise ConfigurationError(f"The argument interface is {wanted!r:.100}; expected 'auto', 'asgi' or 'wsgi'.")
    found = examine(app)
    if found.interface == UNKNOWN and _is_async(app):
        return ASGI
    if found.interface not in (ASGI, WSGI):
        raise _refusal("an ASGI or a WSGI application", found)
    return found.interface


def _is_async(app: object) -> bool:
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(called(app))


def _refusal(expected: str, found: Application) -> ConfigurationError:
    what = found.description + (", which is not callable" if found.interface == NOT_CALLABLE else "")
    return ConfigurationError(f"Expected {expected}, but got {what}. {ADVICE[found.interface]}")


def examine(found: Any) -> Application:
    """Tell the interface of an object. It may be a proxy or a mock, whose attributes are anything or raise."""
    if not issubclass(type(found), type) and not _is_callable(found):
        return Application(NOT_CALLABLE, _named(found))
    signatures = list(_signatures(found))
    if _makes_instances(found):
        return _examine_class(found, signatures[:1])
    description = _named(found) + "".join(f", which has the parameters {each}" for each in signatures[:1])[:200]
    for number, signature in enumerate(signatures):
        interface = _interface(signature)
        if interface == UNKNOWN or (number > 0 and _may_adapt(found, interface)):
            continue
        description = f"a WSGI application, {description}" if interface == WSGI else description
        return Application(interface, description, interface != WSGI and _accepts(signature, 2))
    return Application(UNKNOWN, description, may_be_function=True)


def _may_adapt(found: Any, wrapped: str) -> bool:
    """Return whether `found` may be an application made of something with the interface `wrapped`, and named after it.

    What is async is neither WSGI nor a factory, and a view of one request says nothing about the wrapper.
    """
    is_usual = wrapped in (WSGI, FUNCTION, FACTORY) and not inspect.iscoroutinefunction(called(found))
    return wrapped != ASGI and not is_usual


def _examine_class(found: Any, signatures: list[inspect.Signature]) -> Application:
    """Tell the interface of a class. One whose instances can be called was meant to be an instance.

    The instance of a class may be the iterable that a call of a WSGI application returns, as PEP 3333 shows.
    """
    if any(list(signature.parameters) == ["scope"] for signature in signatures):
        return Application(ASGI2, _named(found))
    makes_callables = any("__call__" in vars(base) for base in found.__mro__)
    if not makes_callables and any(_interface(signature) == WSGI for signature in signatures):
        return Application(WSGI, f"a WSGI application, {_named(found)}")
    is_function = not makes_callables and all(_accepts(signature, 2) for signature in signatures)
    return Application(CLASS, _named(found), is_function)


def called(found: Any) -> Any:
    """Return what a call of `found` runs: of an instance its own `__call__`.

    The instance is asked, and not its class: there `__call__` may be a slot that each instance fills (as in Sentry's
    ASGI middleware), or a static method.
    """
    for _ in range(_MAX_CALLS):
        call = None if issubclass(type(found), type) else attribute(found, "__call__")
        if call is None or isinstance(call, MethodWrapperType):  # a class; a function, or an object of C code
            break
        found = call
    return found


def attribute(found: Any, name: str) -> Any:
    """Return an attribute; None without one, and where it raises."""
    try:
        return getattr(found, name, None)
    except Exception:  # of a proxy that is not bound yet
        return None


def _is_callable(found: object) -> bool:
    try:
        return callable(found)
    except Exception:
        return True


def _makes_instances(found: Any) -> bool:
    """Return whether a call makes an instance that cannot be awaited. A metaclass and `__new__` may return others."""
    return (
        issubclass(type(found), type)
        and not hasattr(found, "__await__")
        and inspect.isbuiltin(found.__new__)
        and type(found).__call__ is type.__call__
    )


def _signatures(found: Any) -> Iterator[inspect.Signature]:
    """Yield the signature of `found` itself, and then those of the functions that it wraps."""
    call = called(found)
    for function, follows in ((call, False), (call, True), (found, True)):
        signature = _signature(function, follows=follows)
        if signature is not None:
            yield signature


def _signature(function: Any, *, follows: bool) -> inspect.Signature | None:
    """Return None if the function has no signature, as code in C, or if it cannot be asked."""
    options: dict[str, Any] = {}
    if sys.version_info >= (3, 14):  # evaluating annotations could fail: they may name objects that were never imported
        options["annotation_format"] = importlib.import_module("annotationlib").Format.STRING
    try:
        return inspect.signature(function, follow_wrapped=follows, **options)
    except Exception:
        return None


def _interface(signature: inspect.Signature) -> str:
    """Tell an interface by the number of arguments, and by the names of parameters if several numbers are possible."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in signature.parameters.values() if each.kind in positional]
    none, one, two, three = (_accepts(signature, count) for count in range(4))
    if two and _WSGI_NAMES.intersection(names):
        return WSGI
    if three and (not two or names[:1] == ["scope"]):
        return ASGI
    if two and (not three or names[:1] == ["event"]):
        return FUNCTION
    if three:
        return FACTORY if none and names and not _ASGI_NAMES.intersection(names) else UNKNOWN
    if none:
        return FACTORY
    return ASGI2 if one and names == ["scope"] else OTHER


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _named(found: Any) -> str:
    """Return an object in words: its own name, if it has one, or that of its class."""
    kind = type(found)
    if kind is ModuleType:
        return f"the module {found.__name__!r}"
    if found is None or kind in (str, bytes, int):
        return f"{found!r:.100}"
    if issubclass(kind, type):
        return f"the class {found.__module__}.{found.__qualname__}"
    if kind in (FunctionType, MethodType):
        return f"the function {found.__module__}.{found.__qualname__}"
    return f"an instance of {kind.__module__}.{kind.__qualname__}"
