"""The one place that picks the installed httpx flavour, and imports it when the first of it is needed.

`httpx2` is the maintained continuation of httpx, with the same API. No process should pay for both: whichever the
application has imported is taken, else httpx2 where it is installed, else httpx. And none should pay for one that it
does not need, a fifth of a small function's cold start: an event on its way through an application takes no URL, no
`Headers` and no client.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["has_httpx", "httpcore", "httpx"]


def _pick_flavour() -> ModuleType:
    for name in ("httpx2", "httpx"):
        imported: ModuleType | None = sys.modules.get(name)
        if imported is not None:
            return imported
    try:
        import httpx2
    except ModuleNotFoundError as exc:
        if exc.name != "httpx2":
            raise
        return _import_httpx()
    return httpx2


def _import_httpx() -> ModuleType:
    """Import httpx without its command line client.

    httpx 0.28 imports `httpx._main` where click and rich happen to be installed, as FastAPI's extras do: 60 ms of
    every cold start for something no Lambda function runs. None in sys.modules makes that one import fail, which
    httpx allows for; `httpx.main` then loads the real one when it is called.
    """
    name = "httpx._main"
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        if sys.modules.get(name) is None:
            sys.modules.pop(name, None)
    httpx.main = _main_on_call(httpx.main)  # type: ignore[assignment]
    return httpx


def _main_on_call(without_its_dependencies: Callable[[], Any]) -> Callable[..., Any]:
    def main(*args: Any, **kwargs: Any) -> Any:
        try:
            from httpx._main import main
        except ImportError:
            return without_its_dependencies()
        return main(*args, **kwargs)

    return main


class _Flavour:
    """Stands for the module: it has what that has, and imports it for the first that is asked of it."""

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__.get("_module")
        if module is None:
            module = self.__dict__["_module"] = _pick_flavour()
        return getattr(module, name)


if TYPE_CHECKING:
    import httpx
else:
    httpx = _Flavour()


def has_httpx() -> bool:
    """Whether either flavour was imported by anybody: if not, nobody can be looking for anything of it."""
    return "httpx2" in sys.modules or "httpx" in sys.modules


def httpcore() -> Any:
    """The httpcore beneath that httpx, which only a socket needs: `import bridge` does without it."""
    name = "httpcore2" if httpx.__name__ == "httpx2" else "httpcore"
    return sys.modules.get(name) or import_module(name)
