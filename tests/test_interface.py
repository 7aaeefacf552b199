"""The interface of an object that was given as an application, and the refusal of one that is neither."""

import abc
import functools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec
from wsgiref.validate import validator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint

from bridge import Bridge, Proxy
from bridge._interface import (
    ASGI,
    ASGI2,
    CLASS,
    FACTORY,
    FUNCTION,
    NOT_CALLABLE,
    OTHER,
    UNKNOWN,
    WSGI,
    check_asgi,
    check_wsgi,
    examine,
    interface_of,
)
from bridge._types import Receive, Scope, Send
from bridge.errors import ConfigurationError
from tests.cases import every_case


async def application(scope: Scope, receive: Receive, send: Send) -> None: ...


async def other_names(a: Any, b: Any, c: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def create_app(config: Any = None, debug: bool = False, testing: bool = False) -> Any: ...


class Application:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def wsgi_app(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class Static:
    __call__ = staticmethod(application)


class Nested:
    __call__ = Application()


class Slot:
    """As in Sentry's ASGI middleware."""

    __slots__ = ("__call__",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.__call__ = call


class Wrapping:
    def __init__(self, app: Any) -> None:
        functools.update_wrapper(self, app)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]


class Adapter(Wrapping):
    """It makes an ASGI application of another kind of application, and has the attributes of that."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Wsgi:
    """As Flask and Django have it; some take more."""

    def __call__(self, environ: Any, start_response: Any, exc_info: Any = None) -> list[bytes]:
        return []


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        return iter([])


class Abstract(abc.ABC):
    @abc.abstractmethod
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any: ...


class Asgi2Class:
    def __init__(self, scope: Scope) -> None: ...

    async def __call__(self, receive: Receive, send: Send) -> None: ...


class Asgi2Instance:
    def __call__(self, scope: Scope) -> Any: ...


class New:
    """A class that makes something else."""

    def __new__(cls, scope: Scope, receive: Receive, send: Send) -> Any:
        return application(scope, receive, send)


class Unbound:
    """A proxy whose object is not there yet."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self, *args: Any) -> Any: ...


def wrapped(app: Any) -> Any:
    @functools.wraps(app)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return app(*args, **kwargs)

    return wrapper


def adapted(app: Any) -> Any:
    """Return an ASGI application around `app`, with its attributes."""

    @functools.wraps(app)
    async def wrapper(*args: Any) -> None: ...

    return wrapper


async def adapted_function(event: Any, context: Any) -> None: ...


CASES: dict[str, list[Any]] = {
    ASGI: [
        *(application, other_names, lambda scope, receive, send: application(scope, receive, send)),
        *(lambda scope, *rest: None, lambda scope, receive=None, send=None: None, lambda s, r, send, option=1: None),
        *(
            functools.partial(lambda option, scope, receive, send: None, 1),
            wrapped(application),
            wrapped(Application()),
        ),
        *(Application(), Application().__call__, Static(), Nested(), Slot(application), Slot(Application())),
        *(Wrapping(application), Adapter(wsgi), Adapter(Starlette()), Starlette(), HTTPEndpoint, New),
        create_autospec(application),
    ],
    UNKNOWN: [
        *(lambda *args: None, lambda *args, **kwargs: None, Mock(), AsyncMock(), max, Unbound(), Wrapping(Mock())),
        *(adapted(wsgi), adapted(lambda: None), adapted(lambda request: None), wrapped(lambda request: None)),
        *(lambda s=None, receive=None, send=None: None, functools.partial(max)),
    ],
    WSGI: [
        *(wsgi, Wsgi(), Application().wsgi_app, wrapped(wsgi), Wrapping(Wsgi()), Slot(wsgi), functools.partial(wsgi)),
        WsgiClass,
    ],
    FUNCTION: [
        *(lambda event, context: None, lambda event, context=None: None, lambda event=None, context=None: None),
        *(lambda event, context, *rest: None, wrapped(lambda event, context: None), lambda e, s: []),
        *(Bridge(application), Proxy(url="http://127.0.0.1:9"), math.pow),
    ],
    FACTORY: [
        create_app,
        wrapped(lambda: application),
        lambda: application,
        lambda config=None: application,
        lambda **options: application,
    ],
    ASGI2: [Asgi2Class, Asgi2Instance(), lambda scope: application, Slot(lambda scope: application)],
    CLASS: [Abstract, Starlette, Application, Wsgi, dict, Bridge],
    NOT_CALLABLE: [None, 5, "main:app", b"", sys, object(), httpx.ASGITransport(Application())],
    OTHER: [lambda app: app, lambda a, b, c, d: None, eval("lambda event, context, *, table: None")],
}


@every_case(("interface", "found"), [(interface, found) for interface, all_ in CASES.items() for found in all_])
def test_an_object_tells_its_interface_itself(interface: str, found: Any) -> None:
    assert examine(found).interface == interface


@every_case("found", [*CASES[ASGI], *CASES[UNKNOWN]])
def test_what_may_be_an_application_is_taken(found: Any) -> None:
    check_asgi(found)
    assert interface_of(found, "asgi") == ASGI


@every_case("found", [*CASES[WSGI], *CASES[FUNCTION], *CASES[UNKNOWN], validator(wsgi)])
def test_what_may_be_a_wsgi_application_is_taken(found: Any) -> None:
    check_wsgi(found)
    assert interface_of(found, "wsgi") == WSGI


@every_case(("interface", "found"), [(kind, found) for kind in (ASGI, WSGI) for found in CASES[kind]])
def test_an_application_that_tells_its_interface_needs_no_other_word(interface: str, found: Any) -> None:
    assert interface_of(found) == interface


@every_case("found", [AsyncMock(), adapted(wsgi), adapted(lambda: None)])
def test_what_is_async_can_only_be_asgi(found: Any) -> None:
    assert interface_of(found) == ASGI


@every_case("found", [validator(wsgi), lambda *args: None, Mock(), lambda env, start: [], *CASES[FACTORY]])
def test_what_does_not_tell_is_refused_with_the_argument_that_tells(found: Any) -> None:
    with pytest.raises(ConfigurationError, match="Expected an ASGI or a WSGI application") as caught:
        interface_of(found)
    assert "interface='wsgi'" in str(caught.value) or "Call it" in str(caught.value)


@every_case(("found", "wanted"), [(application, "wsgi"), (wsgi, "asgi"), (adapted_function, "wsgi"), (None, "wsgi")])
def test_what_is_certainly_the_other_is_refused(found: Any, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected an? (A|W)SGI application, but got"):
        interface_of(found, wanted)


@every_case("wanted", ["", "ASGI", None, "rsgi", True, 5])
def test_an_unknown_interface_is_refused(wanted: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"interface is .*; expected 'auto', 'asgi' or 'wsgi'"):
        interface_of(application, wanted)


REFUSALS: list[tuple[Any, tuple[str, ...]]] = [
    (Wsgi(), ("an instance of", "Wsgi", "WSGI", "interface='wsgi'")),
    (wsgi, ("the function", "wsgi", "(environ: ", "WSGI", "interface='wsgi'")),
    (lambda event, context: None, ("(event, context)", "without a Bridge")),
    (create_app, ("create_app", "(config: ", "Call it")),
    (Asgi2Class, ("the class", "Asgi2Class", "guarantee_single_callable")),
    (Starlette, ("the class starlette.applications.Starlette", "instance")),
    (None, ("got None", "not callable")),
    ("main:app", ("got 'main:app'", "not callable", "import")),
    (sys, ("the module 'sys'", "not callable", "main.app")),
    (httpx.ASGITransport(Application()), ("ASGITransport", "Handler")),
    (lambda app: app, ("(app)",)),
    ("x" * 10_000, ("got 'xxx",)),
]


@every_case(("found", "facts"), REFUSALS)
def test_a_refusal_says_what_it_got_and_what_to_do(found: Any, facts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="Expected an ASGI application") as caught:
        check_asgi(found)
    message = str(caught.value)
    assert [fact for fact in facts if fact not in message] == []
    assert len(message) < 500
