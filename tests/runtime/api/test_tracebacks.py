"""The stack trace of an exception: the frames of the application, and those of its causes."""

import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import bridge
from bridge._loop import OwnLoop
from bridge.errors import ConfigurationError
from bridge.runtime.api.tracebacks import own_frames, stack_trace

PACKAGE = Path(bridge.__file__).parent

APP = """
def fail():
    raise ValueError("no")

def wrap():
    try:
        fail()
    except ValueError as exc:
        raise RuntimeError("wrapped") from exc

def replace():
    try:
        fail()
    except ValueError:
        raise RuntimeError("replaced")

def hide():
    try:
        fail()
    except ValueError:
        raise RuntimeError("hidden") from None

def group():
    errors = []
    for function in (fail, wrap):
        try:
            function()
        except Exception as exc:
            errors.append(exc)
    raise ExceptionGroup("two", errors)

def note():
    exc = ValueError("no")
    exc.add_note("Have you tried turning it off?")
    exc.add_note("And on again?")
    raise exc

async def fail_later():
    fail()

def recurse(depth):
    return recurse(depth - 1) if depth else fail()

def call(function, *args):
    return function(*args)
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield an application in a file, whose lines can be shown."""
    (tmp_path / "traced_app.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("traced_app")
    del sys.modules["traced_app"]


def caught(function: Callable[..., object], *args: Any) -> BaseException:
    """Return the exception of `function`, as its caller gets it."""
    with pytest.raises(Exception, match=r"^") as raised:
        function(*args)
    return raised.value.with_traceback(raised.tb.tb_next)


def place(app: Any, line: int, function: str, text: str) -> str:
    return f'  File "{app.__file__}", line {line}, in {function}\n    {text}\n'


def fail_place(app: Any) -> str:
    return place(app, 3, "fail", 'raise ValueError("no")')


CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
HEADER = "Traceback (most recent call last):\n"


@pytest.mark.parametrize(
    ("name", "link", "first", "second"),
    [
        ("wrap", CAUSE, 7, (9, 'raise RuntimeError("wrapped") from exc')),
        ("replace", CONTEXT, 13, (15, 'raise RuntimeError("replaced")')),
    ],
)
def test_what_led_to_an_exception_comes_first(
    app: Any, name: str, link: str, first: int, second: tuple[int, str]
) -> None:
    assert stack_trace(caught(getattr(app, name))) == [
        place(app, first, name, "fail()"),
        fail_place(app),
        "ValueError: no\n",
        link,
        HEADER,
        place(app, second[0], name, second[1]),
    ]


def test_a_group_is_followed_by_its_exceptions(app: Any) -> None:
    text = "".join(stack_trace(caught(app.group)))
    assert text.startswith("  + Exception Group Traceback (most recent call last):\n  |   File ")
    assert "  | ExceptionGroup: two (2 sub-exceptions)\n" in text
    assert text.count("ValueError: no") == 2
    assert "The above exception was the direct cause of the following exception:" in text
    assert "RuntimeError: wrapped" in text


def test_notes_come_after_the_frames(app: Any) -> None:
    assert stack_trace(caught(app.note)) == [
        place(app, 36, "note", "raise exc"),
        "Have you tried turning it off?\n",
        "And on again?\n",
    ]


def test_a_syntax_error_has_the_place_of_the_fault(app: Any) -> None:
    trace = stack_trace(caught(app.call, compile, "x = 1\nif x = 2:\n    pass\n", "/var/task/broken.py", "exec"))
    assert trace[0] == place(app, 45, "call", "return function(*args)")
    assert "".join(trace[1:]).startswith('  File "/var/task/broken.py", line 2\n    if x = 2:\n       ^')
    assert not any("SyntaxError" in line for line in trace)


def from_a_loop(coroutine: Coroutine[Any, Any, None]) -> BaseException:
    loop = OwnLoop()
    try:
        return caught(loop.run, coroutine)
    finally:
        loop.close()


def from_a_pool(function: Callable[[], None]) -> BaseException:
    with ThreadPoolExecutor(1) as pool:
        return caught(pool.submit(function).result)


def from_runtime(function: Callable[[], None]) -> BaseException:
    """As if a module of the runtime had called it."""
    namespace: dict[str, Any] = {}
    code = "def serve(function):\n    function()\n"
    exec(compile(code, str(PACKAGE / "runtime" / "serve.py"), "exec"), namespace)
    return caught(namespace["serve"], function)


@pytest.mark.parametrize(
    "raised",
    [
        lambda app: from_a_loop(app.fail_later()),
        lambda app: caught(asyncio.run, app.fail_later()),
        lambda app: from_a_pool(app.fail),
        lambda app: from_runtime(app.fail),
    ],
    ids=["own loop", "asyncio.run", "pool", "runtime"],
)
def test_what_calls_the_application_is_left_out(app: Any, raised: Callable[[Any], BaseException]) -> None:
    trace = stack_trace(raised(app))
    assert trace[-1] == fail_place(app)
    assert [line for line in trace[:-1] if "fail_later" not in line] == []


def test_what_calls_the_application_is_left_out_of_a_cause_too(app: Any) -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = from_runtime(app.fail)
    assert stack_trace(outer) == [fail_place(app), "ValueError: no\n", CAUSE]


def test_what_the_application_calls_is_not_left_out(app: Any) -> None:
    """asyncio after the application's own frame is a part of the story."""
    trace = stack_trace(caught(app.call, asyncio.run, app.fail_later()))
    assert trace[0] == place(app, 45, "call", "return function(*args)")
    assert "asyncio" in trace[1]


def test_a_fault_of_the_callers_own_is_shown_as_it_is() -> None:
    """There is no frame of the application: to mend the caller needs them all."""
    frames = own_frames(from_runtime_alone(ValueError("ours")))
    assert [(Path(file).name, line, name) for file, line, name, _ in frames] == [
        ("serve.py", 2, "serve"),
        ("serve.py", 4, "raise_it"),
    ]


def test_an_error_of_the_packages_own_says_everything_in_its_message() -> None:
    assert own_frames(from_runtime_alone(ConfigurationError("Set this."))) == []
    assert stack_trace(from_runtime_alone(ConfigurationError("Set this."))) == []


def from_runtime_alone(exc: Exception) -> BaseException:
    namespace: dict[str, Any] = {"exc": exc}
    code = "def serve():\n    raise_it()\ndef raise_it():\n    raise exc\n"
    exec(compile(code, str(PACKAGE / "runtime" / "serve.py"), "exec"), namespace)
    return caught(namespace["serve"])


def test_causes_in_a_circle_are_shown_once() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    assert stack_trace(first) == ["KeyError: 'second'\n", CAUSE]
