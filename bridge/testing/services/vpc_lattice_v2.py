"""VPC Lattice with version 2 of its events, in which all values of headers and query parameters are in lists.

https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html
"""

from __future__ import annotations

from bridge.testing.messages import ClientRequest, ClientResponse, by_name
from bridge.testing.services import Service
from bridge.testing.services._request import Event, listed, query_pairs, received
from bridge.testing.services._response import InvalidResult, check, multi
from bridge.testing.services._vpc_lattice import (
    added,
    body,
    check_request,
    checked,
    failure,
    lattice_response,
    too_large,
)
from bridge.testing.setup import ACCOUNT, REGION, Setup

__all__ = ["SERVICES"]

_ARN = f"arn:aws:vpc-lattice:{REGION}:{ACCOUNT}:"


def event(request: ClientRequest, setup: Setup) -> Event:
    check_request(request)
    return {
        "version": "2.0",
        "path": request.path,
        "method": request.method,
        "headers": by_name(received(request, added(request, setup))),
        "queryStringParameters": listed(query_pairs(request.query)),
        **body(request),
        "requestContext": {
            "serviceNetworkArn": f"{_ARN}servicenetwork/sn-0123456789abcdef0",
            "serviceArn": f"{_ARN}service/svc-0123456789abcdef0",
            "targetGroupArn": f"{_ARN}targetgroup/tg-0123456789abcdef0",
            "identity": {"sourceVpcArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/vpc-0123456789abcdef0"},
            "region": REGION,
            "timeEpoch": str(int(setup.time * 1_000_000)),
        },
    }


def response(result: object, request: ClientRequest, setup: Setup) -> ClientResponse:
    """Return the response. Assumed: several values are a list, as they are in the events of this version."""
    try:
        valid = checked(result)
        headers = valid["headers"]
        check(headers is None or isinstance(headers, dict), f"Expected an object under 'headers', but got {headers!r}.")
        lists = {name: value if isinstance(value, list) else [value] for name, value in (headers or {}).items()}
        return lattice_response(valid, multi(lists), request)
    except InvalidResult as exc:
        return failure(str(exc), setup)


SERVICES = {"lattice-v2": Service(event=event, response=response, failure=failure, too_large=too_large, added=added)}
