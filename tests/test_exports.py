"""What every module makes public, and what `import bridge` loads. `lint-imports` checks which module imports which."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import FunctionType

import pytest

import bridge
from bridge import errors

# python -m imports a __main__ and runs it; a types module is imported for type checkers alone.
MODULES = sorted({module.name for module in pkgutil.walk_packages(bridge.__path__, "bridge.")} - {"bridge._types"})


def tree_of(name: str) -> ast.Module:
    file = importlib.import_module(name).__file__
    assert file is not None
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def exported(name: str) -> list[str]:
    """Return `__all__`. Only a package that is a docstring alone may lack it."""
    names: list[str] | None = getattr(importlib.import_module(name), "__all__", None)
    assert names is not None or len(tree_of(name).body) == 1, f"{name} has no __all__"
    return names or []


def order(name: str) -> tuple[int, str]:
    """Sort constants first, then classes, then the rest, as the linter does."""
    kind = 0 if re.fullmatch(r"[A-Z0-9_]+", name) else 1 if name[0].isupper() else 2
    return kind, name


def test_the_package_has_the_names_of_the_documentation() -> None:
    handlers = {"DEFAULT_SOURCES", "Bridge", "Handler", "Proxy", "Settings", "Source", "StreamedResponse"}
    transports = {"InProcessTransport", "WSGITransport"}
    assert set(bridge.__all__) - set(errors.__all__) == handlers | transports | {"__version__"}


def test_every_exception_can_be_imported_from_the_package() -> None:
    assert [name for name in errors.__all__ if getattr(bridge, name, None) is not getattr(errors, name)] == []
    assert set(errors.__all__) <= set(bridge.__all__)


def test_star_imports_bring_the_public_names_alone() -> None:
    namespace: dict[str, object] = {}
    exec("from bridge import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(bridge.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'bridge' has no attribute 'Prixy'$"):
        attrgetter("Prixy")(bridge)


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", bridge.__version__)


def test_every_module_has_a_docstring_and_an_ordered_list_of_names_that_exist() -> None:
    faults = []
    for name in ["bridge", *MODULES]:
        module = importlib.import_module(name)
        names = exported(name)
        if not (module.__doc__ or "").strip():
            faults.append(f"{name} has no docstring")
        if names != sorted(set(names), key=order):
            faults.append(f"{name}.__all__ is not in order")
        faults += [f"{name} has no {missing}" for missing in names if not hasattr(module, missing)]
    assert faults == []


def test_every_public_class_function_and_method_has_a_docstring() -> None:
    values = {name: getattr(bridge, name) for name in bridge.__all__ if callable(getattr(bridge, name))}
    for name, value in list(values.items()):
        methods = {key: item for key, item in vars(value).items() if callable(item) and not key.startswith("_")}
        values |= {f"{name}.{key}": item for key, item in methods.items()}
    assert [name for name, value in values.items() if not (value.__doc__ or "").strip()] == []


def test_a_module_imports_from_another_only_the_functions_and_classes_that_it_exports() -> None:
    """A public name that is used elsewhere, but is not in `__all__`, is missing there or should be private."""
    faults = []
    for user in MODULES:
        for node in ast.walk(tree_of(user)):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                for name in sorted({alias.name for alias in node.names} - set(exported(node.module))):
                    value = getattr(importlib.import_module(node.module), name, None)
                    if isinstance(value, type | FunctionType):
                        faults.append(f"{user} imports {name} from {node.module}")
    assert faults == []


def test_a_source_never_awaits() -> None:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    sources = [name for name in MODULES if name.startswith("bridge.sources")]
    assert [name for name in sources for node in ast.walk(tree_of(name)) if isinstance(node, kinds)] == []


# -S keeps out what an environment's .pth files import; the path is given instead. Of httpx and anyio, some releases
# import ssl, subprocess or rich by themselves: only what comes on top of them counts.
IMPORTED = """
import sys
sys.path[:] = {path!r}
import anyio
import bridge._httpx
before = set(sys.modules)
{code}
print(*sorted(set(sys.modules) - before))
"""


def newly_imported(run_python: Callable[..., "subprocess.CompletedProcess[str]"], code: str) -> set[str]:
    done = run_python(IMPORTED.format(path=sys.path, code=code), "-S")
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


# What runs in every Lambda function that has an application in this process: one event of a Function URL.
ANSWER = """
from bridge import Bridge
{app}
context = {{"domainName": "a.lambda-url.eu-west-1.on.aws", "http": {{"method": "GET", "path": "/"}}}}
event = {{"version": "2.0", "rawPath": "/", "headers": {{"host": "a"}}, "requestContext": context}}
handler = Bridge(app)
assert handler(event, None)["body"] == "fine"
handler.close()
"""

ASGI_APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})
"""

WSGI_APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
"""

# The modules for the other kind of application.
ONLY_ASGI = {f"bridge.asgi.{name}" for name in ("exchange", "handover", "protocol", "streaming", "transport")}
ONLY_WSGI = {"bridge.wsgi", "wsgiref"}


@pytest.mark.parametrize(("app", "others"), [(ASGI_APP, ONLY_WSGI), (WSGI_APP, {*ONLY_ASGI, "bridge.wsgi.threads"})])
def test_answering_an_event_in_process_imports_nothing_that_only_another_mode_needs(
    run_python: Callable[..., "subprocess.CompletedProcess[str]"], app: str, others: set[str]
) -> None:
    modules = newly_imported(run_python, ANSWER.format(app=app))
    assert modules & others == set()
    assert {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) <= {"anyio", "bridge", "idna"}
    unwanted = {"bridge._types", "bridge.proxy", "bridge.runtime", "bridge.snapstart", "bridge.testing"}
    unwanted |= {"ssl", "subprocess"}
    assert modules & (unwanted | {"anyio._backends._asyncio"}) == set()


def test_importing_the_package_imports_no_command_line_and_no_framework(
    run_python: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_python(f"import sys\nsys.path[:] = {sys.path!r}\nimport bridge\nprint(*sys.modules)", "-S")
    assert (done.returncode, done.stderr) == (0, "")
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert roots & {"click", "mangum", "pytest", "rich", "starlette", "uvicorn"} == set()
