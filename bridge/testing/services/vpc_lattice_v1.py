"""VPC Lattice with version 1 of its events.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html

Headers are joined by commas and blanks, and of a repeated parameter the last value wins.
"""

from __future__ import annotations

from bridge.testing.messages import ClientRequest, ClientResponse
from bridge.testing.services import Service
from bridge.testing.services._request import Event, joined, query_pairs, received
from bridge.testing.services._response import InvalidResult, single
from bridge.testing.services._vpc_lattice import (
    added,
    body,
    check_request,
    checked,
    failure,
    lattice_response,
    too_large,
)
from bridge.testing.setup import Setup

__all__ = ["SERVICES"]


def event(request: ClientRequest, setup: Setup) -> Event:
    check_request(request)
    fields = body(request)
    flag = {"is_base64_encoded": True} if "isBase64Encoded" in fields else {}
    return {
        "raw_path": request.path,
        "method": request.method,
        "headers": joined(received(request, added(request, setup)), ", "),
        "query_string_parameters": dict(query_pairs(request.query)),
        "body": fields["body"],
        **flag,
    }


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Assumed: values are strings, as they are in the events of this version."""
    try:
        valid = checked(result)
        return lattice_response(valid, single(valid["headers"]), request)
    except InvalidResult as exc:
        return failure(str(exc), setup)


SERVICES = {"lattice-v1": Service(event=event, response=response, failure=failure, too_large=too_large, added=added)}
