"""An HTTP API with payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

The path is decoded, and ends at a question mark that was encoded. Cookies have a field of their own. An API mapping of
a custom domain is not in the event. Nothing is renamed in responses.
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
from bridge.testing.services._request import Event, api_domain, joined, payload_v2, received
from bridge.testing.services._response import (
    MAX_RESULT,
    InvalidResult,
    body_of,
    check,
    cookies_of,
    json_size,
    lowered,
    respond,
    single,
    status_of,
    text_of,
    typed,
)
from bridge.testing.setup import Setup

__all__ = ["SERVICES"]


def event(request: ClientRequest, setup: Setup) -> Event:
    rest = check_request(request, setup)
    headers = joined(received(request, added(request, setup)))
    headers.pop("cookie", None)
    stage_path = request.path if setup.stage and not setup.domain else rest
    path = unquote(stage_path).partition("?")[0]
    domain = api_domain(setup)
    route = setup.route.key if setup.route else "$default"
    parameters = path_parameters(setup)
    context = {
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "requestId": setup.extended_id,
        "routeKey": route,
        "stage": setup.stage or "$default",
    }
    event = payload_v2(request, setup, headers, path=path, decoded_path=path, context=context)
    return {**event, "routeKey": route, **({"pathParameters": parameters} if parameters else {})}


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Measured: a result without a statusCode is a body of JSON, and a string goes out unquoted.

    A result that is not JSON, which only a custom runtime can return, is the body as it is. `multiValueHeaders` is not
    read.
    """
    reasons: list[str] = []
    try:
        check(json_size(result) <= MAX_RESULT, f"The result has more than {MAX_RESULT} bytes of JSON.")
        if not isinstance(result, dict) or "statusCode" not in result:
            headers = [("content-type", "application/json"), *own_headers(setup)]
            return respond(200, headers, text_of(result), request, reasons)
        if result.get("multiValueHeaders"):
            reasons.append("The service does not read multiValueHeaders in payload format 2.0.")
        pairs = [*single(result.get("headers")), *cookies_of(result)]
        headers = typed(lowered(pairs), "text/plain; charset=utf-8")
        return respond(status_of(result), [*headers, *own_headers(setup)], body_of(result), request, reasons)
    except InvalidResult as exc:
        return failure(str(exc), setup)


SERVICES = {
    "http-api": Service(
        event=event, response=response, failure=failure, too_large=too_large, added=added, options=OPTIONS
    )
}
