"""A custom handler of Mangum's as an event source of `Bridge`."""

from types import SimpleNamespace
from typing import Any

from bridge.sources import CompleteResponse, EventRequest, Source, make_request

from .types import LambdaConfig, LambdaContext, LambdaEvent, Response

__all__ = ["source_of"]


def source_of(kind: type[Any], context: LambdaContext, config: LambdaConfig) -> Source:
    def matches(event: LambdaEvent) -> bool:
        return bool(kind.infer(event, context, config))

    def decode(event: LambdaEvent, _: object) -> EventRequest:
        handler = kind(event, context, config)
        scope = handler.scope
        return make_request(
            method=scope["method"],
            path=scope["path"],
            query_string=scope["query_string"].decode(),
            headers=[(name, value) for name, value in scope["headers"]],
            body=handler.body,
        )

    def encode(response: CompleteResponse, event: LambdaEvent, _: object) -> dict[str, Any]:
        headers = [[*pair] for pair in response.raw_headers]
        result: dict[str, Any] = kind(event, context, config)(
            Response(status=response.status_code, headers=headers, body=response.body)
        )
        return result

    return SimpleNamespace(name=kind.__name__, matches=matches, decode=decode, encode=encode)
