"""The sources of `python -m bridge dev`: what its options and the template say about the services in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from bridge.testing.services import ServiceName, service_of

if TYPE_CHECKING:
    from bridge.local.settings import AnySource, SourceSettings, WebSocketSettings
    from bridge.local.template import Template

__all__ = ["MAX_PORT", "SOURCES", "parsed_sources", "sources_of"]

MAX_PORT = 65535

SourceName = ServiceName | Literal["websocket"]

SOURCES: tuple[SourceName, ...] = (*get_args(ServiceName), "websocket")

# A source, and its port if it is given.
NamedPort = tuple[SourceName, int | None]


def parsed_sources(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[NamedPort]:
    """Return the name and the port of each NAME or NAME:PORT."""
    return [_named_port(value) for value in values]


def _named_port(value: str) -> NamedPort:
    name, separator, port = value.partition(":")
    if name not in SOURCES:
        raise click.BadParameter(f"Expected one of {', '.join(SOURCES)}, but got {name!r}.")
    if separator and not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise click.BadParameter(f"Expected a port after {name}:, but got {port!r}.")
    return next(each for each in SOURCES if each == name), int(port) if separator else None


def sources_of(template: Template | None, options: dict[str, Any]) -> list[AnySource]:
    """Return the sources with their ports: each one without its own gets the next after the last."""
    chosen: list[NamedPort] = options["sources"] or _of_template(template) or [("function-url", None)]
    found: list[AnySource] = []
    next_port = options["port"]
    for name, own_port in chosen:
        port = next_port if own_port is None else own_port
        next_port = port + 1 if port else 0
        if name == "websocket":
            found.append(_websocket(port, template, options))
        else:
            found.append(_service(name, port, template, options))
    _check(found, options)
    return found


def _of_template(template: Template | None) -> list[NamedPort]:
    return [(source.name, None) for source in template.sources] if template else []


def _service(name: ServiceName, port: int, template: Template | None, options: dict[str, Any]) -> SourceSettings:
    from bridge.local.settings import SourceSettings

    known = {source.name: source for source in template.sources} if template else {}
    of_template = known.get(name)
    stage = options["stage"] if "stage" in service_of(name).options else ""
    return SourceSettings(
        name=name,
        port=port,
        stage=(stage or "").strip("/") or (of_template.stage if of_template else ""),
        is_streamed=(options["stream"] and _streams(name)) or (of_template is not None and of_template.is_streamed),
        routes=of_template.routes if of_template else None,
        binary_media_types=of_template.binary_media_types if of_template else ("*/*",),
        cors=of_template.cors if of_template else None,
    )


def _streams(name: SourceName) -> bool:
    return name != "websocket" and service_of(name).streams


def _websocket(port: int, template: Template | None, options: dict[str, Any]) -> WebSocketSettings:
    from importlib.util import find_spec

    from bridge.local.settings import WebSocketSettings

    if find_spec("wsproto") is None:
        raise click.UsageError("The source websocket needs wsproto, which the extra lambda-asgi-bridge[local] brings.")
    stage = (options["stage"] or "").strip("/") or WebSocketSettings.stage
    return WebSocketSettings(
        port=port, stage=stage, route_keys=options["route_keys"], has_route_response=options["has_route_response"]
    )


def _check(sources: list[AnySource], options: dict[str, Any]) -> None:
    names = [source.name for source in sources]
    for source in sources:
        if names.count(source.name) > 1:
            raise click.UsageError(f"{source.name} is given twice.")
        if source.port > MAX_PORT or [each.port for each in sources].count(source.port) > (1 if source.port else 99):
            raise click.UsageError(f"The port {source.port} of {source.name} is taken by another source, or too high.")
    if options["stage"] and not any(source.stage for source in sources):
        staged = [name for name in get_args(ServiceName) if "stage" in service_of(name).options] + ["websocket"]
        raise click.UsageError(f"--stage needs one of {', '.join(staged)} as a --source, but got {', '.join(names)}.")
    if options["stream"] and not any(map(_streams, names)):
        streaming = filter(_streams, SOURCES)
        raise click.UsageError(f"--stream needs {' or '.join(streaming)} as a --source, but got {', '.join(names)}.")
    if (options["route_keys"] or options["has_route_response"]) and "websocket" not in names:
        raise click.UsageError("--route and --route-response are of a WebSocket API: give --source websocket, too.")
