"""A SAM template: the function in it, and the services in front of that.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge.local.settings import Route
from bridge.testing.services import ServiceName

__all__ = ["InvalidTemplate", "Template", "TemplateSource", "read_template"]

_FUNCTION = "AWS::Serverless::Function"

# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html: the
# defaults of a function, in MB and seconds.
_MEMORY, _TIMEOUT = 128, 3


class InvalidTemplate(Exception):
    """Raised for a template without the function that is asked for, or that is not one at all."""


@dataclass(frozen=True, kw_only=True)
class TemplateSource:
    """A service in front of the function. `routes`: None for all requests."""

    name: ServiceName
    stage: str = ""
    is_streamed: bool = False
    routes: tuple[Route, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Template:
    """One function. `handler`: "" if its image has it. `skipped`: the variables that only a deployment has."""

    name: str
    handler: str
    folder: str
    environ: Mapping[str, str]
    timeout: float
    memory: int
    is_streamed: bool
    sources: tuple[TemplateSource, ...]
    skipped: tuple[str, ...] = ()


class _Tagged:
    """A value that CloudFormation computes, such as !Ref Queue."""

    def __init__(self, tag: str, value: Any) -> None:
        self.tag, self.value = tag, value


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML with CloudFormation's tags."""


def _construct(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> _Tagged:
    if isinstance(node, yaml.ScalarNode):
        return _Tagged(tag, loader.construct_scalar(node))
    if isinstance(node, yaml.SequenceNode):
        return _Tagged(tag, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.MappingNode)
    return _Tagged(tag, loader.construct_mapping(node, deep=True))


_Loader.add_multi_constructor("!", _construct)


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_template(path: str, function: str | None = None) -> Template:
    """Return the function called `function` in the template, or its only one. Raises InvalidTemplate, and OSError."""
    try:
        document = _parsed(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InvalidTemplate(f"{path} is not YAML: {exc}") from None
    if not isinstance(document, dict):
        raise InvalidTemplate(f"Expected a SAM template in {path}, but got {type(document).__name__}.")
    name, properties = _found(path, document, function)
    return _template(path, document, name, properties)


def _found(path: str, document: dict[str, Any], function: str | None) -> tuple[str, dict[str, Any]]:
    resources = _mapping(document.get("Resources"))
    functions = {name: each for name, each in resources.items() if _mapping(each).get("Type") == _FUNCTION}
    names = ", ".join(functions) or "none"
    if function is None and len(functions) != 1:
        raise InvalidTemplate(f"Expected one {_FUNCTION} in {path}, but it has {names}. Name one with --function.")
    name = next(iter(functions)) if function is None else function
    if name not in functions:
        raise InvalidTemplate(f"Expected a {_FUNCTION} called {name!r} in {path}, but it has {names}.")
    shared = _mapping(_mapping(document.get("Globals")).get("Function"))
    return name, _merged(shared, _mapping(functions[name].get("Properties")))


def _template(path: str, document: dict[str, Any], name: str, properties: dict[str, Any]) -> Template:
    variables = _mapping(_mapping(properties.get("Environment")).get("Variables"))
    resolved = {key: _resolved(value, document) for key, value in variables.items()}
    sources = _sources(properties, document)
    return Template(
        name=name,
        handler=_handler(properties),
        folder=str(Path(path).parent / str(_plain(properties.get("CodeUri"), "."))),
        environ={key: value for key, value in resolved.items() if value is not None},
        timeout=float(_plain(properties.get("Timeout"), _TIMEOUT)),
        memory=int(_plain(properties.get("MemorySize"), _MEMORY)),
        is_streamed=any(source.is_streamed for source in sources),
        sources=sources,
        skipped=tuple(key for key, value in resolved.items() if value is None),
    )


def _handler(properties: dict[str, Any]) -> str:
    """Return the handler; "" for an image that has it."""
    command = _mapping(properties.get("ImageConfig")).get("Command")
    return str(_plain(command[0] if isinstance(command, list) and command else properties.get("Handler"), ""))


def _sources(properties: dict[str, Any], document: dict[str, Any]) -> tuple[TemplateSource, ...]:
    found = []
    url = properties.get("FunctionUrlConfig")
    if isinstance(url, dict):
        found.append(TemplateSource(name="function-url", is_streamed=url.get("InvokeMode") == "RESPONSE_STREAM"))
    events = [_mapping(event) for event in _mapping(properties.get("Events")).values()]
    for kind, name in (("HttpApi", "http-api"), ("Api", "rest-api")):
        of_kind = [_mapping(event.get("Properties")) for event in events if event.get("Type") == kind]
        if of_kind:
            found.append(_api(name, of_kind, document))
    return tuple(found)


def _api(name: Any, events: list[dict[str, Any]], document: dict[str, Any]) -> TemplateSource:
    routes: tuple[Route, ...] | None = tuple(_route(event) for event in events)
    if any("Path" not in event for event in events):  # an HTTP API's $default route: all requests
        routes = None
    if name == "http-api" and any(str(event.get("PayloadFormatVersion", "2.0")) == "1.0" for event in events):
        name = "http-api-v1"
    stage = _stage(events[0], document) if name == "rest-api" else ""
    streams = [event.get("ResponseTransferMode", "") for event in events]
    is_streamed = name == "rest-api" and any(str(mode).upper() in ("STREAM", "RESPONSE_STREAM") for mode in streams)
    return TemplateSource(name=name, stage=stage, routes=routes, is_streamed=is_streamed)


def _stage(event: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the stage of a REST API; "Prod" is that of one which SAM makes."""
    api = event.get("RestApiId")
    if not isinstance(api, _Tagged):
        return "Prod"
    resource = _mapping(_mapping(document.get("Resources")).get(str(api.value)))
    return str(_plain(_mapping(resource.get("Properties")).get("StageName"), "Prod"))


def _route(event: dict[str, Any]) -> Route:
    return Route(str(event.get("Method", "ANY")).upper(), str(event.get("Path", "$default")))


def _resolved(value: Any, document: dict[str, Any]) -> str | None:
    """Return the text of a variable; None for what only a deployment has. The default of a parameter counts."""
    if isinstance(value, _Tagged) and value.tag == "Ref":
        value = _mapping(_mapping(document.get("Parameters")).get(str(value.value))).get("Default")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _plain(value: Any, default: Any) -> Any:
    return value if isinstance(value, str | int | float) else default


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a function with those that all functions share."""
    merged = dict(shared)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(shared.get(key), dict)
        merged[key] = _merged(shared[key], value) if both else value
    return merged
