"""The services in front of a template's function, with their routes, and what the gateway does not do of them.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-eventsource.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bridge.local.settings import Cors, Route
from bridge.local.template_cors import cors_of, rest_cors_of
from bridge.local.template_values import Unknown, mapping_of
from bridge.testing.services import ServiceName

__all__ = ["TemplateSource", "sources_of"]

# By the type of the event: the name of the source, and the property and the types of the API that it may name.
_APIS: dict[str, tuple[ServiceName, str, str]] = {
    "HttpApi": ("http-api", "ApiId", "HttpApi"),
    "Api": ("rest-api", "RestApiId", "Api"),
}

# Of an API.
_NOT_APPLIED = ("Auth", "DefinitionBody", "DefinitionUri")

# Resources that send requests to a function by others of their own, which only CloudFormation puts together.
_NOT_READ = frozenset(
    [
        *("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api", "AWS::CloudFront::Distribution"),
        *("AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::VpcLattice::TargetGroup"),
    ]
)

_STREAM_MODES = ("STREAM", "RESPONSE_STREAM")


@dataclass(frozen=True, kw_only=True)
class TemplateSource:
    """A service in front of the function: see SourceSettings."""

    name: ServiceName
    stage: str = ""
    is_streamed: bool = False
    routes: tuple[Route, ...] | None = None
    binary_media_types: tuple[str, ...] = ("*/*",)
    cors: Cors | None = None


class _Event:
    def __init__(self, name: str, event: Any) -> None:
        self.name, self.kind = name, str(mapping_of(event).get("Type"))
        self.properties = mapping_of(mapping_of(event).get("Properties"))

    @property
    def api(self) -> str:
        """The logical id of the API, or "" for the one that SAM makes."""
        value = self.properties.get(_APIS[self.kind][1])
        return value.resource if isinstance(value, Unknown) else str(value or "")

    @property
    def route(self) -> Route:
        path = self.properties.get("Path")
        return Route(str(self.properties.get("Method") or "ANY").upper(), "$default" if path is None else str(path))


def sources_of(
    function: str, properties: dict[str, Any], resources: dict[str, Any], shared: dict[str, Any], notes: list[str]
) -> tuple[TemplateSource, ...]:
    """Return the services. All values are resolved. `shared`: the Globals. `notes`: gets what is not supported."""
    found = []
    url = properties.get("FunctionUrlConfig") or _url_of(function, resources)
    if isinstance(url, dict):
        is_streamed = url.get("InvokeMode") == "RESPONSE_STREAM"
        found.append(TemplateSource(name="function-url", is_streamed=is_streamed, cors=cors_of(url.get("Cors"))))
    events = [_Event(name, event) for name, event in mapping_of(properties.get("Events")).items()]
    for kind in _APIS:
        of_kind = [event for event in events if event.kind == kind]
        if of_kind:
            api = of_kind[0].api
            notes += [
                f"The event {each.name} is of another API: only one is there." for each in of_kind if each.api != api
            ]
            own = mapping_of(mapping_of(resources.get(api)).get("Properties"))
            about = mapping_of(shared.get(_APIS[kind][2])) | own
            notes += _not_applied(f"The API {api or 'of ' + kind}", about, *_NOT_APPLIED)
            found.append(_api(kind, [each for each in of_kind if each.api == api], about))
    others = [f"{event.name} ({event.kind})" for event in events if event.kind not in _APIS]
    if others:
        notes.append(f"No service sends the events of {', '.join(others)}: invoke the function with some of your own.")
    for name, resource in resources.items():
        if resource.get("Type") in _NOT_READ:
            kind = resource["Type"]
            notes.append(f"{name} ({kind}) is not read: --source puts such a service in front of the function.")
    return tuple(found)


def _url_of(function: str, resources: dict[str, Any]) -> dict[str, Any] | None:
    """Return the Function URL that is a resource of its own."""
    for resource in resources.values():
        properties = mapping_of(resource.get("Properties"))
        target = properties.get("TargetFunctionArn")
        if resource.get("Type") == "AWS::Lambda::Url" and isinstance(target, Unknown) and target.resource == function:
            return properties
    return None


def _not_applied(what: str, properties: dict[str, Any], *names: str) -> Iterator[str]:
    for name in names:
        if properties.get(name):
            yield f"{what} has {name}, which the gateway does not apply."


def _api(kind: str, events: list[_Event], about: dict[str, Any]) -> TemplateSource:
    name = _APIS[kind][0]
    properties = [event.properties for event in events]
    stage = about.get("StageName")
    if kind == "HttpApi":
        is_old = any(str(each.get("PayloadFormatVersion", "2.0")) == "1.0" for each in properties)
        return TemplateSource(
            name="http-api-v1" if is_old else name,
            stage=stage if isinstance(stage, str) and stage != "$default" else "",
            routes=_routes(events),
            cors=cors_of(about.get("CorsConfiguration")),
        )
    return TemplateSource(
        name=name,
        stage=stage if isinstance(stage, str) else "Prod",  # SAM's own for an API that it makes
        routes=_routes(events),
        is_streamed=any(str(each.get("ResponseTransferMode", "")).upper() in _STREAM_MODES for each in properties),
        binary_media_types=_binary_types(about),
        cors=rest_cors_of(about.get("Cors")),
    )


def _routes(events: Iterable[_Event]) -> tuple[Route, ...] | None:
    """Return the routes; None if all that there is is a route for everything."""
    routes = tuple(event.route for event in events)
    return None if all(route.path == "$default" for route in routes) else routes


def _binary_types(about: dict[str, Any]) -> tuple[str, ...]:
    """Return the binary media types of a REST API, whose slashes SAM wants as ~1. There is none by default."""
    types = about.get("BinaryMediaTypes")
    return tuple(str(each).replace("~1", "/") for each in types) if isinstance(types, list) else ()
