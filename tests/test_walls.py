"""Which module may import which: the layers of the design, held over the source itself."""

import ast
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import pytest

import bridge
from bridge._httpx import httpx

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PACKAGE = Path(bridge.__file__).parent

# From the bottom up. A module may import what stands in a layer above its own line, and nothing beside it: a folder is
# one module here, whose files may import each other.
LAYERS = [
    ("errors", "_types", "_http"),
    ("settings", "_httpx", "invocation"),
    ("deadline",),
    ("_messages",),
    ("sources", "asgi", "snapstart"),
    ("_loop",),
    ("environment", "responses"),
    ("handler",),
    ("proxy",),
    ("__init__",),
    ("runtime", "local"),
    ("cli",),
    ("__main__",),
]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

# What the core may import besides the standard library, and who may.
THIRD_PARTY = {
    "anyio": None,
    "h11": None,
    "httpx": {"_httpx"},
    "httpx2": {"_httpx"},
    "snapshot_restore_py": {"snapstart"},  # a part of Lambda's Python runtime
    "uvicorn": {"proxy"},  # which runs in a process of its own
}

# What only one mode needs may import more: it is no part of `import bridge`.
OF_THEIR_OWN = {"cli", "local"}

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(file: Path) -> str:
    """The module of the design that a file belongs to: "sources" for bridge/sources/alb.py."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports_of(file: Path) -> Iterator[str]:
    """Everything that a file imports, for types too, by its full name."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            assert node.module is not None
            # `from bridge import errors` names a module, `from bridge.errors import X` a name in one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_name(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def test_every_module_has_its_place_in_the_layers() -> None:
    assert {part_of(file) for file in FILES} <= LEVELS.keys()


@pytest.mark.parametrize("file", FILES, ids=is_name)
def test_a_module_imports_only_what_stands_above_it(file: Path) -> None:
    part = part_of(file)
    imported = {name.split(".")[1] for name in imports_of(file) if name.startswith("bridge.")}
    # What the package itself exports comes through bridge/__init__.py.
    imported = {name if name in LEVELS else "__init__" for name in imported}
    # Types may speak of the messages, because nothing is imported from them at run time: see the next test.
    allowed = {"_types": {"_httpx", "_messages"}, "handler": {"proxy"}}.get(part, set())
    wrong = {name for name in imported - {part} - allowed if LEVELS[name] >= LEVELS[part]}
    assert wrong == set()


def test_types_are_imported_for_type_checking_alone(run_python: Run) -> None:
    done = run_python("import sys, bridge, bridge.asgi.streaming\nprint('bridge._types' in sys.modules)\n")
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("file", [file for file in FILES if part_of(file) not in OF_THEIR_OWN], ids=is_name)
def test_a_module_of_the_core_imports_nothing_from_elsewhere(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imports_of(file)} - set(sys.stdlib_module_names) - {"bridge"}
    allowed = {name for name, users in THIRD_PARTY.items() if users is None or part_of(file) in users}
    assert roots - allowed == set()


def test_no_modules_of_a_folder_import_each_other_in_a_circle() -> None:
    graph = {
        ".".join(("bridge", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
        for file in FILES
    }
    # What only a type checker imports makes no circle.
    edges = {name: set(runtime_targets(file, graph)) for name, file in graph.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for target in edges[name]:
                visit(target, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def runtime_targets(file: Path, modules: Container[str]) -> Iterator[str]:
    for node in tree_of(file).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("bridge"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules else node.module


@pytest.mark.parametrize("file", [file for file in FILES if part_of(file) == "sources"], ids=is_name)
def test_a_source_never_awaits(file: Path) -> None:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert [node for node in ast.walk(tree_of(file)) if isinstance(node, kinds)] == []


@pytest.mark.parametrize("file", [file for file in FILES if part_of(file) == "transports"], ids=is_name)
def test_a_transport_knows_nothing_of_lambda(file: Path) -> None:
    texts = [node.value for node in ast.walk(tree_of(file)) if isinstance(node, ast.Constant)]
    assert [text for text in texts if isinstance(text, str) and text.startswith(("aws.", "AWS_"))] == []
    names = {name for name in imports_of(file) if name.startswith(("bridge.sources", "bridge.settings"))}
    assert names == set()


@pytest.mark.parametrize("file", [file for file in FILES if file.name != "settings.py"], ids=is_name)
def test_only_settings_read_environment_variables(file: Path) -> None:
    names = {node.attr for node in ast.walk(tree_of(file)) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree_of(file)) if isinstance(node, ast.Name)}
    assert names & {"environ", "environb", "getenv", "getenvb"} == set()


ROOTS = "sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"


def loaded(run_python: Run, code: str) -> set[str]:
    # -S keeps out what an environment's .pth files import; the path is given instead.
    path = f"import sys\nsys.path[:] = {sys.path!r}\n"
    done = run_python(f"{path}{code}\nprint(*{ROOTS})", "-S")
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split()) - {"__main__"}


def test_importing_the_package_imports_anyio_and_nothing_else(run_python: Run) -> None:
    assert loaded(run_python, "import bridge") - loaded(run_python, "import anyio") == {"bridge"}


# One event of a Function URL, and an application that answers it.
ANSWER = """
from bridge import Bridge

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"fine"})

context = {"domainName": "a.lambda-url.eu-west-1.on.aws", "http": {"method": "GET", "path": "/"}}
event = {"version": "2.0", "rawPath": "/", "headers": {"host": "a"}, "requestContext": context}
handler = Bridge(app)
assert handler(event, None)["body"] == "fine"
handler.close()
"""


def test_answering_an_event_in_process_needs_no_httpx_and_none_of_anyios_machinery(run_python: Run) -> None:
    done = run_python(f"import sys\n{ANSWER}\nprint(*sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")
    loaded_roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded_roots & {"httpx", "httpx2", "httpcore", "httpcore2", "h11"} == set()
    assert "anyio._backends._asyncio" not in done.stdout.split()


@pytest.mark.parametrize("name", ["click", "mangum", "pytest", "rich", "starlette", "typer", "uvicorn"])
def test_importing_the_package_imports_no_framework_no_server_and_no_command_line(run_python: Run, name: str) -> None:
    assert name not in loaded(run_python, "import bridge")


# What only a socket needs: the packages that speak HTTP over one, and TLS.
OF_A_SOCKET = {"bridge.proxy", "bridge.snapstart"}
OF_A_SOCKET |= {"httpcore", "httpcore2", "h11", "ssl", "subprocess"}

# Older releases of httpx import some of them by themselves.
NEW = """
before = set(sys.modules)
{code}
print(*sorted(set(sys.modules) - before))
"""


def newly_imported(run_python: Run, code: str) -> set[str]:
    """The modules that `code` imports where httpx and anyio, with the backend of asyncio, are there already."""
    first = f"import asyncio, anyio, anyio._backends._asyncio, {httpx.__name__}, sys"
    done = run_python(first + NEW.format(code=code))
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_that_a_socket_needs(run_python: Run) -> None:
    assert newly_imported(run_python, "import bridge") & OF_A_SOCKET == set()


def test_a_handler_of_an_application_needs_nothing_that_a_socket_needs(run_python: Run) -> None:
    code = "import bridge\nbridge.Bridge(lambda scope, receive, send: None, lifespan='off').close()"
    assert newly_imported(run_python, code) & OF_A_SOCKET == set()


def test_asking_for_the_proxy_imports_what_starts_the_server_and_no_more(run_python: Run) -> None:
    modules = newly_imported(run_python, "from bridge import Proxy")
    assert "bridge.proxy.process" in modules
    assert {"bridge.proxy.forwarder", "bridge.proxy.transport", "httpcore", "httpcore2"} & modules == set()
