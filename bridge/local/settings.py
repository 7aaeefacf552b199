"""How a gateway runs its function: what a developer gives on the command line, or a template says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.testing.services import ServiceName

__all__ = ["AnySource", "Cors", "FunctionSettings", "Route", "RuntimeName", "SourceSettings", "WebSocketSettings"]

RuntimeName = Literal["bridge", "awslambdaric"]


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The function and its environments.

    `target`: "module:attribute", or Lambda's "module.attribute". `folder`: where it is imported from, and started in.
    `environ`: the variables of its processes. `timeout`: in seconds. `memory`: in MB. `is_streamed`: whether the
    runtime streams. `environments`: how many there are at most, with one invocation each; `concurrency`: more than 1
    for one environment with so many, as on Managed Instances. `throttles`: refuse with 429 when all are busy, rather
    than wait. `freezes`: stop the processes between invocations. `snapstart`: take a snapshot after the init phase, and
    restore it `snapstart_age` seconds later. `extensions`: the files of external extensions.
    """

    target: str
    folder: str = "."
    name: str = "function"
    runtime: RuntimeName = "bridge"
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    memory: int = 512
    is_streamed: bool = False
    environments: int = 4
    concurrency: int = 1
    throttles: bool = False
    freezes: bool = False
    snapstart: bool = False
    snapstart_age: float = 0.0
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One route of an API. `method`: in upper case, or "ANY". `path`: such as "/users/{id}" or "/{proxy+}"."""

    method: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Cors:
    """How a service lets in requests from other origins. Names are those of the headers. `max_age`: in seconds."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One service in front of the function, and its port; 0 for any free one. `routes`: None for all requests.

    `binary_media_types`: those of a REST API. `cors`: None if the function alone answers for it.
    """

    name: ServiceName
    port: int = 0
    stage: str = ""
    is_streamed: bool = False
    routes: tuple[Route, ...] | None = None
    binary_media_types: tuple[str, ...] = ("*/*",)
    cors: Cors | None = None


@dataclass(frozen=True, kw_only=True)
class WebSocketSettings:
    """A WebSocket API in front of the function, and its port; 0 for any free one.

    `route_keys`: of the routes beside `$default`. `has_route_response`: whether an answer's body goes to the sender.
    """

    port: int = 0
    stage: str = "live"
    route_keys: tuple[str, ...] = ()
    has_route_response: bool = False
    name: Literal["websocket"] = "websocket"
    is_streamed: Literal[False] = False


AnySource = SourceSettings | WebSocketSettings
