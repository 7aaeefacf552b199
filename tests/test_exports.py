"""Every module says what is public, completely and in order."""

import ast
import importlib
import pkgutil
import re
from operator import attrgetter
from types import ModuleType

import pytest

import bridge

MODULES = ["bridge", *(module.name for module in pkgutil.walk_packages(bridge.__path__, "bridge."))]

# A source is a module that is passed around; python -m runs a __main__: neither is imported from.
WITHOUT_ALL = {"bridge._types"}


def source_of(module: ModuleType) -> ast.Module:
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        return ast.parse(file.read())


def defined_in(tree: ast.Module) -> set[str]:
    """The names without an underscore that a module itself defines as functions and classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")}


def imported_in(body: list[ast.stmt]) -> set[str]:
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def imported_for_types(tree: ast.Module) -> set[str]:
    """What is imported under `if TYPE_CHECKING`: in the package itself, the names that it gives only when asked."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {name for block in blocks for name in imported_in(block.body)}


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order that the linter keeps too."""
    kind = 0 if re.fullmatch(r"[A-Z0-9_]+", name) else 1 if name[0].isupper() else 2
    return kind, name


def test_the_package_exports_exactly_what_it_imports_and_its_version() -> None:
    tree = source_of(bridge)
    imported = imported_in(tree.body) - {"TYPE_CHECKING"}
    assert set(bridge.__all__) == imported | imported_for_types(tree) | {"__version__"}


def test_the_package_exports_the_names_that_the_documentation_has() -> None:
    assert {"Bridge", "InProcessTransport", "Proxy", "Settings"} <= set(bridge.__all__)


def test_what_needs_httpx_or_a_socket_is_imported_when_it_is_asked_for() -> None:
    assert imported_for_types(source_of(bridge)) == {"InProcessTransport", "Proxy"}
    assert bridge.Proxy is importlib.import_module("bridge.proxy").Proxy
    module = importlib.import_module("bridge.asgi.transport")
    assert bridge.InProcessTransport is module.InProcessTransport
    assert importlib.import_module("bridge.asgi").InProcessTransport is module.InProcessTransport


def test_what_the_package_does_not_have_is_no_attribute_of_it() -> None:
    with pytest.raises(AttributeError) as caught:
        attrgetter("Prixy")(bridge)
    assert str(caught.value) == "module 'bridge' has no attribute 'Prixy'"


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", bridge.__version__)


@pytest.mark.parametrize("name", sorted(set(MODULES) - WITHOUT_ALL))
def test_a_module_has_a_docstring_and_an_ordered_list_of_names_that_exist(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    names: list[str] = module.__all__
    assert names == sorted(set(names), key=order)
    assert [missing for missing in names if not hasattr(module, missing)] == []


@pytest.mark.parametrize("name", sorted({name for name in MODULES if "._" in name} - WITHOUT_ALL))
def test_a_private_module_exports_only_what_it_defines(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__).isdisjoint(imported_in(source_of(module).body) - {"httpx"})


@pytest.mark.parametrize("name", bridge.__all__)
def test_every_public_class_and_function_is_documented(name: str) -> None:
    value = getattr(bridge, name)
    if callable(value):
        assert (value.__doc__ or "").strip()
        methods = [item for key, item in vars(value).items() if callable(item) and not key.startswith("_")]
        assert [method for method in methods if not (method.__doc__ or "").strip()] == []


def test_star_imports_bring_the_public_names_alone() -> None:
    namespace: dict[str, object] = {}
    exec("from bridge import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(bridge.__all__)


@pytest.mark.parametrize("name", sorted(set(MODULES) - WITHOUT_ALL))
def test_what_a_module_does_not_export_is_used_by_no_other(name: str) -> None:
    """A public name that is not in `__all__` is either missing there or should be private."""
    module = importlib.import_module(name)
    hidden = defined_in(source_of(module)) - set(module.__all__)
    users = [
        (other, alias.name)
        for other in MODULES
        for node in ast.walk(source_of(importlib.import_module(other)))
        if isinstance(node, ast.ImportFrom) and node.module == name
        for alias in node.names
        if alias.name in hidden
    ]
    assert users == []
