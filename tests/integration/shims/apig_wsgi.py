"""apig-wsgi's one function, put onto `Bridge`, so that apig-wsgi's own tests run on it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from bridge import Bridge, Settings

__all__ = ["make_lambda_handler"]

_ExcInfoType = Any  # the tests import it


def make_lambda_handler(
    wsgi_app: Callable[..., Iterable[bytes]],
    binary_support: bool | None = None,
    non_binary_content_type_prefixes: Iterable[str] = (),
) -> Callable[[dict[str, Any], Any], Any]:
    """`binary_support` has no counterpart: `Bridge` tells text and bytes apart in every response."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return wsgi_app(environ | _named_as_there(environ), start_response)

    settings = Settings(text_media_types=tuple(non_binary_content_type_prefixes), stage="strip")
    bridge = Bridge(application, settings=settings)

    def handler(event: dict[str, Any], context: Any) -> Any:
        return _result_of(bridge(json.loads(json.dumps(event, default=bytes.decode)), context))

    return handler


def _named_as_there(environ: dict[str, Any]) -> dict[str, Any]:
    event = environ["aws.event"]
    return {
        "apig_wsgi.full_event": event,
        "apig_wsgi.context": environ["aws.context"],
        "apig_wsgi.request_context": event.get("requestContext"),
        "apig_wsgi.multi_value_headers": "multiValueHeaders" in event,
    }


def _result_of(result: Any) -> Any:
    """Return the result with header names as the tests write them: `Bridge` returns them in lower case."""
    for name in ("headers", "multiValueHeaders"):
        if name in result and "cookies" not in result:
            result[name] = {key.title(): value for key, value in result[name].items()}
    result.pop("statusDescription", None)
    return result
