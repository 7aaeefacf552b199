"""Proxy: a handler in front of a web server that runs beside it, for applications that cannot run in process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

from bridge._arguments import checked_settings
from bridge.errors import ConfigurationError
from bridge.handler import Handler
from bridge.init_phase import is_function_process
from bridge.proxy.address import parse_url
from bridge.proxy.launch import launch
from bridge.proxy.process import OriginProcess
from bridge.proxy.settings import OriginSettings
from bridge.settings import Settings, child_environment
from bridge.settings_base import refusal
from bridge.signals import sigterm
from bridge.sources import DEFAULT_SOURCES, Source

if TYPE_CHECKING:
    from os import PathLike

    from bridge._settings_arguments import SettingsArguments
    from bridge._types import EventFunction, TracingHook
    from bridge.proxy.forwarder import Forwarder

__all__ = ["Proxy"]


class Proxy(Handler):
    """A Lambda handler that forwards each event to a web server on this machine.

    ```python
    handler = Proxy(["gunicorn", "shop.wsgi"], port=8080)  # started, waited for, watched, stopped
    handler = Proxy(url="http://127.0.0.1:8080")  # one that something else has started
    ```

    `command`: the program and its arguments, which must stay in the foreground; it finds its port in PORT. `url`:
    "http://host:port" or "unix:/path"; or else `host` and `port`, or `uds`, the path of a UNIX socket. The other
    arguments are those of `OriginSettings`, and `settings`, each setting, `sources`, `on_event` and `tracing` those of
    `Bridge`. One that is not given is read from the environment, under Lambda Web Adapter's name, and has its default.

    In Lambda the server is started here, in the init phase. The constructor waits until it is ready; under
    `python -m bridge.runtime` the runtime waits after the import of the module. Elsewhere the server is started before
    the first request. Raises ConfigurationError, and in Lambda OriginNotStarted.
    """

    def __init__(
        self,
        command: Sequence[str | PathLike[str]] | None = None,
        *,
        url: str | None = None,
        host: str | None = None,
        port: int | None = None,
        uds: str | None = None,
        readiness_protocol: Literal["http", "tcp"] | None = None,
        readiness_port: int | None = None,
        readiness_path: str | None = None,
        healthy_status: str | Iterable[int] | None = None,
        readiness_timeout: float | None = None,
        async_init: bool | None = None,
        pool_idle_timeout: float | None = None,
        before_checkpoint_path: str | None = None,
        after_restore_path: str | None = None,
        sources: Iterable[Source] = DEFAULT_SOURCES,
        on_event: EventFunction | None = None,
        settings: Settings | None = None,
        tracing: TracingHook | None = None,
        **arguments: Unpack[SettingsArguments],
    ) -> None:
        settings = checked_settings(self, settings, arguments)
        address = _given(url=url, host=host, port=port, uds=uds)
        others = _given(
            readiness_protocol=readiness_protocol,
            readiness_port=readiness_port,
            readiness_path=readiness_path,
            healthy_status=healthy_status,
            readiness_timeout=readiness_timeout,
            async_init=async_init,
            pool_idle_timeout=pool_idle_timeout,
            before_checkpoint_path=before_checkpoint_path,
            after_restore_path=after_restore_path,
        )
        origin = OriginSettings(**_address(**address), **others, given=frozenset(address | others))
        process = _process(command, origin)
        try:
            if process is not None and is_function_process():
                sigterm.shut_down(process)
                launch(process, origin)
            forwarder = self._forwarder = _forwarder(origin, process, settings)
            super().__init__(
                forwarder,
                _new_lifespan=lambda: forwarder,
                sources=sources,
                on_event=on_event,
                settings=settings,
                tracing=tracing,
            )
        except BaseException:
            if process is not None:
                process.end()
            raise


def _forwarder(origin: OriginSettings, process: OriginProcess | None, settings: Settings) -> Forwarder:
    # Everything that a socket needs is imported here, and not with this module: in Lambda the server starts meanwhile.
    from bridge.proxy.forwarder import Forwarder, for_web_server

    with_context = settings.context_headers is not False
    return Forwarder(origin, process, prepare=partial(for_web_server, with_context=with_context))


def _given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that were given; the others are read from the environment."""
    return {name: value for name, value in arguments.items() if value is not None}


def _address(
    url: str | None = None, host: str | None = None, port: int | None = None, uds: str | None = None
) -> dict[str, Any]:
    """Return the one address that was given in one of three ways."""
    given = {"url": url, "host and port": port if host is None else host, "uds": uds}
    ways = [way for way, value in given.items() if value is not None]
    if len(ways) > 1:
        raise ConfigurationError(f"Expected one address for the web server, but got {' as well as '.join(ways)}.")
    if url is not None:
        return parse_url(url)._asdict()
    if uds == "":
        raise refusal("uds", uds, "the absolute path of a socket")
    if uds is not None:
        return {"host": "localhost", "port": 80, "uds": uds}
    if host is not None or port is not None:
        return _given(host=host, port=port, uds="")
    return {}


def _process(command: object, origin: OriginSettings) -> OriginProcess | None:
    if command is None:
        return None
    if isinstance(command, str | bytes) or not isinstance(command, Sequence) or not command:
        raise ConfigurationError(
            f"Expected the command as a list, such as ['gunicorn', 'shop.wsgi'], but got {command!r:.200}. "
            "No shell parses it."
        )
    environment = child_environment()
    if not origin.uds:
        environment["PORT"] = str(origin.port)  # gunicorn and many frameworks read it
    return OriginProcess([str(part) for part in command], env=environment)
