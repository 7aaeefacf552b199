"""The call of an ASGI application in this process. Nothing here depends on Lambda."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.asgi.scope import build_scope
    from bridge.asgi.transport import InProcessTransport

__all__ = ["InProcessTransport", "build_scope"]


if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import the name when it is first used: the handler of a WSGI application needs only other modules here."""
        module = {"InProcessTransport": "transport", "build_scope": "scope"}.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{module}"), name)
