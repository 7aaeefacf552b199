"""How a service is set up in front of the function: what a developer gives when it is deployed."""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ACCOUNT", "REGION", "MatchedRoute", "Setup", "new_trace_id"]

# Of every deployment that is not a real one.
ACCOUNT = "123456789012"
REGION = "eu-west-1"


@dataclass(frozen=True)
class MatchedRoute:
    """The route of an API that has the request: "GET" or "ANY", and "/users/{id}" or "$default".

    `parameters`: the values of the path's parameters, as the client encoded them.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The deployment of one function, and the identifiers of one request.

    `stage`: the name of an API's stage, which is the first segment of the client's path. `domain`: a custom domain
    instead. `base_path`: the first segment of its path, "" or with a slash in front. `authorizer`: the value of
    `requestContext.authorizer`. `binary_media_types`: those of a REST API. `is_streamed`: whether the service is set up
    for streams. `route`: the one that has the request; None for an API that sends all requests to the function.
    `request_id`: a UUID. `time`: seconds since the epoch.
    """

    stage: str = ""
    domain: str = ""
    base_path: str = ""
    authorizer: Mapping[str, Any] | None = None
    binary_media_types: tuple[str, ...] = ("*/*",)
    is_streamed: bool = False
    route: MatchedRoute | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_id: str = ""
    time: float = field(default_factory=time.time)

    @property
    def extended_id(self) -> str:
        """The same identifier in the form of API Gateway's extended ones, such as "ATfSmjLgPHcESJw="."""
        return b64encode(uuid.UUID(self.request_id).bytes[:11]).decode("ascii")

    @property
    def prefix(self) -> str:
        """The part of the client's path that belongs to the deployment."""
        if self.domain:
            return self.base_path
        return f"/{self.stage}" if self.stage and self.stage != "$default" else ""  # $default is in no URL

    def without_prefix(self, path: str) -> str | None:
        """Return the rest of `path`, which begins with a slash; None for a path of another deployment."""
        if not self.prefix:
            return path
        if path == self.prefix:
            return "/"
        return path.removeprefix(self.prefix) if path.startswith(self.prefix + "/") else None


def new_trace_id(seconds: float) -> str:
    """Return the trace id that a service gives a request. `seconds`: since the epoch.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids
    """
    return f"Root=1-{int(seconds):08x}-{uuid.uuid4().hex[:24]}"
