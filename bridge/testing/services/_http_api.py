"""What an HTTP API does in both payload formats.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused, values_of
from bridge.testing.services._request import forwarded, refuse_large
from bridge.testing.services._response import Pairs, text_error
from bridge.testing.setup import Setup

__all__ = ["OPTIONS", "added", "check_request", "failure", "own_headers", "path_parameters", "too_large"]

OPTIONS = frozenset({"authorizer", "base_path_mapping", "domain", "stage"})

# Documented: 10 MB of body, and 10,240 bytes for the request line and all headers. That the second is answered with 431
# is assumed.
_MAX_BODY = 10 << 20
_MAX_HEAD = 10_240


def check_request(request: ClientRequest, setup: Setup) -> str:
    """Return the path without the stage or the API mapping. Raises Refused.

    Assumed: the route `$default` catches every method except CONNECT.
    """
    if request.method == "CONNECT":
        raise Refused(_error(400, "Bad Request", setup, "An HTTP API accepts no CONNECT."))
    head = len(request.method) + len(request.target) + sum(len(n) + len(v) for n, v in request.headers)
    headers_error = _error(431, "Request Header Fields Too Large", setup, "")
    refuse_large(request, [(head, _MAX_HEAD, headers_error), (len(request.body), _MAX_BODY, too_large("", setup))])
    rest = setup.without_prefix(request.path)
    if rest is None:
        reason = f"The path {request.path!r} does not begin with {setup.prefix!r}, where the API is."
        raise Refused(_error(404, "Not Found", setup, reason))
    return rest


def added(request: ClientRequest, setup: Setup) -> Headers:
    """Return the headers of an HTTP API, which always adds content-length, also without a body.

    AWS's notes say that it also adds a content-type to such a request, but not which: assumed to be none.
    """
    is_framed = request.is_chunked or bool(values_of(request.headers, "content-length"))
    return forwarded(request, setup) + (() if is_framed else (("content-length", "0"),))


def path_parameters(setup: Setup) -> dict[str, str]:
    """Return the parameters of the route. Measured: their values are decoded."""
    return {name: unquote(value) for name, value in setup.route.parameters.items()} if setup.route else {}


def own_headers(setup: Setup) -> Pairs:
    return [("apigw-requestid", setup.extended_id)]


def failure(reason: str, setup: Setup) -> ClientResponse:
    return _error(500, "Internal Server Error", setup, reason)


def too_large(reason: str, setup: Setup) -> ClientResponse:
    return _error(413, "Request Entity Too Large", setup, reason)


def _error(status: int, message: str, setup: Setup, reason: str) -> ClientResponse:
    text = json.dumps({"message": message}, separators=(",", ":"))
    return text_error(status, "application/json", text, reason=reason, more=own_headers(setup))
