"""An HTTP API with payload format 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

Measured: `path` is encoded, and the one of the request context is decoded, as query parameters are. `path` has the
stage, and the API mapping of a custom domain. Assumed: `path` keeps the client's own spelling.
"""

from __future__ import annotations

from urllib.parse import unquote

from bridge.testing.messages import ClientRequest, ClientResponse
from bridge.testing.services import Service
from bridge.testing.services._http_api import (
    OPTIONS,
    added,
    check_request,
    failure,
    own_headers,
    path_parameters,
    too_large,
)
from bridge.testing.services._request import Event, body_fields, payload_v1_context, payload_v1_fields, received
from bridge.testing.services._response import (
    MAX_RESULT,
    InvalidResult,
    body_of,
    check,
    json_size,
    lowered,
    multi,
    respond,
    single,
    status_of,
    typed,
)
from bridge.testing.setup import Setup

__all__ = ["SERVICES"]


def event(request: ClientRequest, setup: Setup) -> Event:
    check_request(request, setup)
    headers = received(request, added(request, setup))
    stage = setup.stage or "$default"
    resource = setup.route.path if setup.route else "$default"
    context = payload_v1_context(request, setup, method=request.method, stage=stage, request_id=setup.extended_id)
    return {
        "version": "1.0",
        "resource": resource,
        "path": request.path,
        "pathParameters": path_parameters(setup) or None,
        **payload_v1_fields(request.method, headers, request.query),
        "requestContext": {**context, "path": unquote(request.path), "resourceId": None, "resourcePath": resource},
        **body_fields(request, none=None),
    }


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Single values come first (measured). Nothing is renamed. A statusCode is required.

    `cookies` is not read.
    """
    reasons: list[str] = []
    try:
        check(json_size(result) <= MAX_RESULT, f"The result has more than {MAX_RESULT} bytes of JSON.")
        if not isinstance(result, dict) or "statusCode" not in result:
            raise InvalidResult("Payload format 1.0 requires an object with a statusCode.")
        if result.get("cookies"):
            reasons.append("The service does not read cookies in payload format 1.0.")
        pairs = [*single(result.get("headers")), *multi(result.get("multiValueHeaders"))]
        headers = [*typed(lowered(pairs), "text/plain; charset=utf-8"), *own_headers(setup)]
        return respond(status_of(result), headers, body_of(result), request, reasons)
    except InvalidResult as exc:
        return failure(str(exc), setup)


SERVICES = {
    "http-api-v1": Service(
        event=event, response=response, failure=failure, too_large=too_large, added=added, options=OPTIONS
    )
}
