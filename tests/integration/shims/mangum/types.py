"""The names that Mangum's tests import for their annotations."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeAlias, TypedDict

__all__ = [
    "ASGI",
    "LambdaCognitoIdentity",
    "LambdaConfig",
    "LambdaContext",
    "LambdaEvent",
    "LambdaMobileClientContext",
    "LifespanMode",
    "Message",
    "QueryParams",
    "Receive",
    "Response",
    "Scope",
    "Send",
]

LambdaEvent = dict[str, Any]
LambdaContext: TypeAlias = Any
LambdaCognitoIdentity: TypeAlias = Any
LambdaMobileClientContext: TypeAlias = Any
LifespanMode = Literal["auto", "on", "off"]
QueryParams = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class Response(TypedDict):
    status: int
    headers: list[list[bytes]]
    body: bytes


class LambdaConfig(TypedDict):
    api_gateway_base_path: str
    text_mime_types: list[str]
    exclude_headers: list[str]
