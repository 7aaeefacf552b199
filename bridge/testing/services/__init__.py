"""One module for each AWS service: the event that it makes of a request, and the response that it makes of a result.

Each has pure functions alone. They are written from AWS's documentation and from what others measured, and not from
this package's own sources, so that each is the other's check.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

from bridge.testing.messages import ClientRequest, ClientResponse, Refused
from bridge.testing.setup import Setup

__all__ = ["Service", "ServiceName", "service_of"]

ServiceName = Literal[
    "function-url",
    "http-api",
    "http-api-v1",
    "rest-api",
    "alb",
    "alb-multi",
    "lattice-v1",
    "lattice-v2",
    "edge-viewer",
    "edge-origin",
]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of an event, in bytes of JSON.
_MAX_EVENT = 6_291_556

_MODULES = {
    "function-url": "function_url",
    "http-api": "http_api_v2",
    "http-api-v1": "http_api_v1",
    "rest-api": "rest_api",
    "alb": "alb",
    "alb-multi": "alb",
    "lattice-v1": "vpc_lattice_v1",
    "lattice-v2": "vpc_lattice_v2",
    "edge-viewer": "lambda_edge",
    "edge-origin": "lambda_edge",
}


def _own_method(request: ClientRequest) -> str:
    return request.method


@dataclass(frozen=True, kw_only=True)
class Service:
    """One AWS service in front of a function.

    `event`: returns the event for a request; raises Refused if the service itself refuses that. `response`: returns
    what the client gets for a result; it never raises. `failure`: what the client gets if the function failed, for a
    reason. `head`: status and headers of a stream, for its prelude; None without streams. `too_large`: what the client
    gets if the event is larger than Lambda accepts. `added`: the headers that the service adds to a request.
    `options`: the keywords of LambdaTransport that it knows. `method_of`: the method that it takes a request to have.
    """

    event: Callable[[ClientRequest, Setup], dict[str, Any]]
    response: Callable[[object, ClientRequest, Setup], ClientResponse]
    failure: Callable[[str, Setup], ClientResponse]
    too_large: Callable[[str, Setup], ClientResponse]
    added: Callable[[ClientRequest, Setup], tuple[tuple[str, str], ...]]
    head: Callable[[Mapping[str, Any], ClientRequest, Setup], ClientResponse] | None = None
    options: frozenset[str] = frozenset()
    method_of: Callable[[ClientRequest], str] = _own_method

    @property
    def streams(self) -> bool:
        """Whether it can be set up for streams."""
        return self.head is not None

    def event_for(self, request: ClientRequest, setup: Setup) -> dict[str, Any]:
        """Return the event, as a function gets it. Raises Refused, also for an event that Lambda does not accept."""
        text = json.dumps(self.event(request, setup), ensure_ascii=False)
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > _MAX_EVENT:
            reason = f"The event has {size} bytes of JSON where Lambda accepts {_MAX_EVENT}."
            raise Refused(self.too_large(reason, setup))
        event: dict[str, Any] = json.loads(text)
        return event


def service_of(name: ServiceName) -> Service:
    """Return the service. Raises ValueError for another name."""
    if name not in _MODULES:
        raise ValueError(f"Expected one of {', '.join(get_args(ServiceName))} as source, but got {name!r}.")
    services: dict[str, Service] = import_module(f"{__name__}.{_MODULES[name]}").SERVICES
    return services[name]
