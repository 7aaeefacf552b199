"""Bridge: a handler in front of an ASGI or WSGI application, which runs in this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from bridge._arguments import checked_settings
from bridge._interface import WSGI, interface_of
from bridge.errors import ConfigurationError
from bridge.handler import Handler
from bridge.init_phase import current_runtime, is_function_process
from bridge.settings import Settings, handler_name
from bridge.sources import DEFAULT_SOURCES, Source

if TYPE_CHECKING:
    from bridge._settings_arguments import SettingsArguments
    from bridge._types import ASGIApp, EventFunction, Interface, LifespanMode, SnapshotMode, TracingHook, WSGIApp
    from bridge.proxy.forwarder import Forwarder

__all__ = ["Bridge"]


class Bridge(Handler):
    """Any ASGI or WSGI application as a Lambda handler, in the function's own process.

    `interface`: "asgi" or "wsgi" for an application whose parameters do not tell which it is. `lifespan`: "auto" runs
    an ASGI application's lifespan if it has one, "on" insists on it, "off" leaves it out. In Lambda startup runs in the
    init phase: here, or after the import of the module under `python -m bridge.runtime`. Elsewhere it runs before the
    first request. `snapshot`: "restart-lifespan" shuts the application down before a SnapStart snapshot and starts it
    again after each restore, so that none of the connections that it opened can be stale then; "keep-lifespan" leaves
    it running. `sources`: the event sources to try, in this order. `on_event`: a function, sync or async, that gets the
    events that are not HTTP requests, `on_event(event, context)`, in place of the application; its return value is the
    result of the invocation. `tracing`: as that of `Handler`.

    Each setting of `Settings` except `app` is a keyword argument too: `Bridge(app, base_path="/api")`. `settings`:
    `Settings()` by default, which reads the environment. An argument takes the place of what `settings` read from the
    environment; one that they were made with too is a TypeError.

    Raises ConfigurationError, TypeError, and in Lambda StartupFailed.
    """

    def __init__(
        self,
        app: ASGIApp | WSGIApp,
        *,
        interface: Interface = "auto",
        lifespan: LifespanMode = "auto",
        snapshot: SnapshotMode = "keep-lifespan",
        sources: Iterable[Source] = DEFAULT_SOURCES,
        on_event: EventFunction | None = None,
        settings: Settings | None = None,
        tracing: TracingHook | None = None,
        **arguments: Unpack[SettingsArguments],
    ) -> None:
        settings = checked_settings(self, settings, arguments)
        found = interface_of(app, interface)
        if lifespan not in ("auto", "on", "off"):
            raise ConfigurationError(f"The argument lifespan is {lifespan!r}; expected 'auto', 'on' or 'off'.")
        if snapshot not in ("keep-lifespan", "restart-lifespan"):
            raise ConfigurationError(
                f"The argument snapshot is {snapshot!r}; expected 'keep-lifespan' or 'restart-lifespan'."
            )
        self.app = app
        options = {"sources": sources, "on_event": on_event, "settings": settings, "tracing": tracing}
        if found == WSGI:
            self._init_wsgi(app, settings.mode, lifespan, snapshot, options)
        else:
            self._init_asgi(app, lifespan, snapshot, options)

    def _init_asgi(self, app: Any, lifespan: LifespanMode, snapshot: SnapshotMode, options: dict[str, Any]) -> None:
        from bridge.asgi import InProcessTransport
        from bridge.asgi.lifespan import make_lifespan

        settings = options["settings"]
        forwarder = _forwarder(app, settings.app, lifespan) if settings.mode == "proxy" else None
        super().__init__(
            InProcessTransport(app, client=None) if forwarder is None else forwarder,
            _new_lifespan=lambda: make_lifespan(app, lifespan) if forwarder is None else forwarder,
            _snapshot=snapshot,
            **options,
        )
        if lifespan != "off" and is_function_process() and current_runtime().startups is None:
            from bridge.late_changes import LateChanges

            self._environment.before_first_call = LateChanges(app).warn

    def _init_wsgi(self, app: Any, mode: str, lifespan: str, snapshot: str, options: dict[str, Any]) -> None:
        if lifespan == "on" or snapshot == "restart-lifespan":
            raise ConfigurationError(
                "A WSGI application has no lifespan: expected neither lifespan='on' nor snapshot='restart-lifespan'."
            )
        if mode == "proxy":
            name = options["settings"].app or handler_name() or "module:app"
            raise ConfigurationError(
                "BRIDGE_MODE=proxy serves ASGI applications, but got a WSGI application. Without BRIDGE_MODE it runs "
                f"in this process. To serve it with a web server write Proxy(['gunicorn', {name!r}], port=8000)."
            )
        from bridge.wsgi import WSGITransport
        from bridge.wsgi.lifespan import WSGILifespan

        runtime = current_runtime()
        transport = WSGITransport(app, is_concurrent=runtime.slots > 1, has_siblings=runtime.workers > 1)
        super().__init__(transport, _new_lifespan=lambda: WSGILifespan(transport), **options)


def _forwarder(app: ASGIApp, name: str, lifespan: LifespanMode) -> Forwarder:
    from bridge.proxy.child_process import forwarder_to_child  # and all that a socket needs, only in this mode

    return forwarder_to_child(app, name, lifespan)
