"""`module:attribute`: the object that it names, the kind of handler, and the errors for one that cannot be served."""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from bridge import Bridge, Proxy
from bridge._types import Receive, Scope, Send
from bridge.errors import HandlerNotLoaded
from bridge.runtime import loading
from bridge.runtime.api.errors import error_document
from bridge.runtime.loading import ASYNC, HANDLER, SYNC, classify, load, prepare_path
from tests.cases import every_case

Write = Callable[..., str]

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules and paths are as they were, afterwards."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a module that can be imported, under a name that no other test has; "x.py" is a file of a package."""
    sys.path.insert(0, str(tmp_path))

    def write(code: str, file: str = "") -> str:
        name = f"function_{next(_numbers)}"
        path = tmp_path / name / file if file else tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return name

    return write


def fault_of(name: str) -> HandlerNotLoaded:
    """Without the frames of this test, which a runtime does not have."""
    with pytest.raises(HandlerNotLoaded) as caught:
        load(name)
    return caught.value.with_traceback(None)


# Names.


def test_a_handler_is_named_in_either_form(write: Write) -> None:
    name = write("app = [1]")
    assert load(f"{name}:app") is load(f"{name}.app") is sys.modules[name].app


def test_a_module_in_a_folder_is_named_with_dots_or_slashes(write: Write) -> None:
    name = write("app = [1]", "web.py")
    for handler in ("/web.app", ".web.app", "/web:app", ".web:app"):
        assert load(name + handler) == [1]


def test_after_a_colon_attributes_may_be_nested(write: Write) -> None:
    name = write("class site:\n    class shop:\n        app = [1]")
    assert load(f"{name}:site.shop.app") == [1]


def test_a_name_without_a_module_or_an_attribute_is_malformed() -> None:
    for name in (
        *("", "app", ".", ":", ".app", ":app", "main.", "main:"),
        "/main.app",
        "./main.app",
        "a//b.app",
        "a..b:app",
    ):
        fault = fault_of(name)
        assert fault.error_type == "Runtime.MalformedHandlerName"
        assert f"got {name!r}" in str(fault)


def test_a_module_that_is_built_into_python_can_never_be_the_functions() -> None:
    for name in ("sys.handler", "time:handler", "builtins/x.handler"):
        fault = fault_of(name)
        assert fault.error_type == "Runtime.BuiltInModuleConflict"
        assert "built into Python" in str(fault)


def test_a_missing_attribute_is_reported_with_the_file_that_does_not_have_it(write: Write, tmp_path: Path) -> None:
    name = write("app = [1]")
    for attribute in ("other", "app.other", "app..x"):
        fault = fault_of(f"{name}:{attribute}")
        assert fault.error_type == "Runtime.HandlerNotFound"
        for fact in (repr(attribute), repr(name), f"{tmp_path / name}.py", f"{name}:{attribute}"):
            assert fact in str(fault)
        assert error_document(fault)["stackTrace"] == []


def test_an_attribute_whose_making_fails_shows_where(write: Write) -> None:
    name = write("class Site:\n    @property\n    def app(self):\n        return None.wsgi\n\nsite = Site()")
    fault = fault_of(f"{name}:site.app")
    assert fault.error_type == "Runtime.HandlerNotFound"
    trace = "".join(error_document(fault)["stackTrace"])
    assert f'{name}.py", line 4, in app' in trace
    assert "'NoneType' object has no attribute 'wsgi'" in trace


# Imports.


def test_a_missing_module_is_reported_without_a_trace() -> None:
    for module in ("no_such_module", "email.no_such_module", "email.charset.no_such_module"):
        fault = fault_of(f"{module}.app")
        assert fault.error_type == "Runtime.ImportModuleError"
        assert f"No module named {module!r}" in str(fault)
        assert error_document(fault)["stackTrace"] == []


@every_case(
    ("handler", "advice"),
    [
        ("{name}.py:app", "Write '{name}:app', without '.py'."),
        ("no_such_folder/{name}.py:app", "Write 'no_such_folder.{name}:app'"),
        ("{name}.py", "Write '{name}:app'"),
        ("no_such_module:app", "It is not in {folder}, and"),
    ],
)
def test_a_wrong_module_says_what_to_write_or_where_it_was_searched(
    write: Write, tmp_path: Path, handler: str, advice: str
) -> None:
    name = write("app = [1]")
    assert advice.format(name=name, folder=tmp_path) in str(fault_of(handler.format(name=name)))


def test_a_missing_dependency_is_reported_with_the_line_that_wants_it(write: Write, tmp_path: Path) -> None:
    dependency = write("x = 1\nimport no_such_package\n")
    name = write(f"def connect():\n    import {dependency}\n\nconnect()")
    fault = fault_of(f"{name}.app")
    assert fault.error_type == "Runtime.ImportModuleError"
    assert f"module {name!r}: No module named 'no_such_package'" in str(fault)
    assert error_document(fault)["stackTrace"] == [
        f'  File "{tmp_path / name}.py", line 4, in <module>\n    connect()\n',
        f'  File "{tmp_path / name}.py", line 2, in connect\n    import {dependency}\n',
        f'  File "{tmp_path / dependency}.py", line 2, in <module>\n    import no_such_package\n',
        "ModuleNotFoundError: No module named 'no_such_package'\n",
        "\nThe above exception was the direct cause of the following exception:\n\n",
    ]


def test_a_syntax_error_is_reported_with_its_place(write: Write, tmp_path: Path) -> None:
    for code, line in (("def f(:\n", 1), ("if True:\nx = 1\n", 2)):
        name = write(code)
        fault = fault_of(f"{name}.app")
        assert fault.error_type == "Runtime.UserCodeSyntaxError"
        assert repr(name) in str(fault)
        assert f'  File "{tmp_path / name}.py", line {line}\n' in "".join(error_document(fault)["stackTrace"])


def test_an_exception_of_a_module_is_raised(write: Write) -> None:
    for raised in (LookupError, SystemExit, KeyboardInterrupt):
        with pytest.raises(raised, match="no settings"):
            load(write(f"raise {raised.__name__}('no settings')") + ".app")


# Where modules come from.


def test_the_functions_folder_comes_first_then_its_layers_and_lambdas_python_at_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folders = [
        tmp_path / "task",
        tmp_path / f"opt/lib/python{version}/site-packages",
        tmp_path / "opt",
        tmp_path / "var",
    ]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    task, packages, layer, runtime = map(str, folders)
    monkeypatch.setattr(loading, "LAYERS", layer)
    # As `python -m` has it in the function's folder, with the wrapper's PYTHONPATH: some of them are there already.
    sys.path[:] = ["/lib/before", task, layer, "/lib/python"]
    prepare_path(task, runtime)
    assert sys.path == [task, packages, layer, "/lib/before", "/lib/python", runtime]
    prepare_path(task, runtime)
    assert sys.path == [task, packages, layer, "/lib/before", "/lib/python", runtime]


def test_folders_that_are_not_there_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loading, "LAYERS", str(tmp_path / "opt"))
    sys.path[:] = ["/lib/python"]
    prepare_path("", "")
    prepare_path(str(tmp_path / "task"), str(tmp_path / "var"))
    assert sys.path == ["/lib/python"]


def test_path_files_count_in_the_functions_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task, lib, layer = tmp_path / "task", tmp_path / "task/lib", tmp_path / "opt"
    lib.mkdir(parents=True)
    layer.mkdir()
    (task / "lib.pth").write_text("lib\n")
    (layer / "up.pth").write_text(f"{tmp_path}\n")
    monkeypatch.setattr(loading, "LAYERS", str(layer))
    sys.path[:] = ["/lib/python"]
    prepare_path(str(task), "")
    assert sys.path == [str(task), str(layer), "/lib/python", str(lib), str(tmp_path)]


# Kinds.


async def application(scope: Scope, receive: Receive, send: Send) -> None: ...


def passing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that looks at nothing."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


def test_an_application_gets_a_bridge_around_it() -> None:
    for found in (application, passing_on(application), GZipMiddleware(Starlette())):
        kind, handler = classify(found, "main:app")
        assert (kind, type(handler), handler.app) == (HANDLER, Bridge, found)
        handler.close()


def test_a_handler_of_ours_stays_as_it_is() -> None:
    for handler in (Bridge(application), Proxy(url="http://127.0.0.1:9")):
        assert classify(handler, "main:app") == (HANDLER, handler)
        handler.close()


class Wrapper:
    """As wrapt makes it, with which tools instrument functions: it claims the class of what it wraps."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    __class__ = property(lambda self: type(self._wrapped))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrapped(*args, **kwargs)


def test_a_wrapper_that_claims_to_be_a_handler_is_called_itself() -> None:
    for handler in (Bridge(application), Proxy(url="http://127.0.0.1:9")):
        wrapper: Any = Wrapper(handler)
        assert isinstance(wrapper, type(handler))
        kind, target = classify(wrapper, "main:app")
        assert (kind, target is wrapper) == (SYNC, True)
        handler.close()


async def asynchronous(event: Any, context: Any) -> None: ...


async def with_options(event: Any, context: Any, retries: int = 3, *, debug: bool = False) -> None: ...


async def asynchronous_with_anything(*args: Any) -> None: ...


def running_by_itself(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that runs an async function to its end, as `asyncio.run` does."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args).send(None)

    return wrapper


class Handlers:
    """Methods, and instances that can be called."""

    def plain(self, event: Any, context: Any) -> None: ...

    async def asynchronous(self, event: Any, context: Any) -> None: ...

    @staticmethod
    def static(event: Any, context: Any) -> None: ...

    __call__ = asynchronous


FUNCTIONS: dict[str, tuple[str, Any]] = {
    "plain": (SYNC, lambda event, context: None),
    "async": (ASYNC, asynchronous),
    "async with options": (ASYNC, with_options),
    "without context": (SYNC, lambda event, context=None: None),
    "with anything": (SYNC, lambda *args, **kwargs: None),
    "async with anything": (ASYNC, asynchronous_with_anything),
    "decorated": (ASYNC, passing_on(asynchronous)),
    "decorated, and run by the decorator": (SYNC, running_by_itself(asynchronous)),
    "partial": (SYNC, functools.partial(lambda table, event, context: None, "table")),
    "async partial": (ASYNC, functools.partial(with_options, debug=True)),
    "method": (SYNC, Handlers().plain),
    "async method": (ASYNC, Handlers().asynchronous),
    "static method": (SYNC, Handlers.static),
    "instance": (SYNC, type("Handler", (), {"__call__": lambda self, event, context: None})()),
    "async instance": (ASYNC, Handlers()),
    "built-in without a signature": (SYNC, max),
    "with defaults alone": (SYNC, lambda a=None, b=None, c=None: None),
    "mock": (SYNC, Mock()),
    "async mock": (ASYNC, AsyncMock()),
    "class": (SYNC, type("Result", (dict,), {"__init__": lambda self, event, context: None})),
}


def test_a_function_of_event_and_context_is_plain_or_async() -> None:
    for name, (kind, function) in FUNCTIONS.items():
        assert (name, *classify(function, "main:handler")) == (name, kind, function)


NOT_HANDLERS: list[tuple[Any, str]] = [
    (None, "None"),
    (sys, "the module 'sys'"),
    ("app", "'app'"),
    (lambda: application, "()"),
    (lambda event: None, "(event)"),
    (lambda a, b, c, d: None, "(a, b, c, d)"),
    (eval("lambda event, context, *, table: None"), "(event, context, *, table)"),
    (type("App", (), {"__init__": eval("lambda self, scope: None")}), "guarantee_single_callable"),
    (Starlette, "the class starlette.applications.Starlette"),
    (Bridge, "the class bridge.application.Bridge"),
]


def test_an_object_that_is_not_a_handler_is_refused_with_its_kind() -> None:
    for found, fact in NOT_HANDLERS:
        with pytest.raises(HandlerNotLoaded) as caught:
            classify(found, "main:app")
        assert caught.value.error_type == "Runtime.HandlerNotFound"
        message = str(caught.value)
        assert ("Expected 'main:app'" in message, fact in message, len(message) < 500) == (True, True, True)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return [b""]


class Wsgi:
    """As Flask and Django have it; some take more."""

    def __call__(self, environ: Any, start_response: Any, exc_info: Any = None) -> list[bytes]:
        return [b""]


def test_a_wsgi_application_gets_a_bridge() -> None:
    for found in (wsgi, Wsgi()):
        kind, handler = classify(found, "main:app")
        assert (kind, type(handler), handler.app) == (HANDLER, Bridge, found)
        handler.close()


def test_annotations_may_name_what_was_never_imported(write: Write) -> None:
    code = "async def app(scope: Scope, receive: Receive, send: Send) -> None: ..."
    if sys.version_info < (3, 14):  # where they are evaluated early
        code = f"from __future__ import annotations\n{code}"
    kind, handler = classify(load(write(code) + ":app"), "main:app")
    assert kind == HANDLER
    handler.close()
