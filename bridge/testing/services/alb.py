"""An Application Load Balancer.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

Path and query parameters stay encoded; of repeated headers and parameters the last value wins, unless the target group
has the attribute lambda.multi_value_headers.enabled. Measured: a field that is null is an error. The load balancer has
its default attributes: it appends to X-Forwarded-For, and the Host header has the listener's port, unless that is 80
or 443.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import partial
from typing import Any
from urllib.parse import urljoin

from bridge.testing.messages import ClientRequest, ClientResponse, Headers, Refused, by_name, values_of
from bridge.testing.services import Service
from bridge.testing.services._request import (
    Event,
    body_fields,
    forwarded,
    listed,
    query_pairs,
    received,
    refuse_large,
)
from bridge.testing.services._response import (
    HOP_BY_HOP,
    InvalidResult,
    Pairs,
    body_of,
    check,
    json_size,
    lowered,
    multi,
    respond,
    single,
    status_of,
    text_error,
    without,
)
from bridge.testing.setup import ACCOUNT, REGION, Setup

__all__ = ["SERVICES"]

# Documented: 1 MB of body, and of JSON in the other direction; 16 K for the request line and for one header, 64 K for
# all; 32 K for those of a response. That the load balancer's K is 1,024 bytes is assumed, and so is 400 for headers.
MAX_SIZE = 1 << 20
_MAX_LINE = 16 << 10
_MAX_HEADERS = 64 << 10
_MAX_RESPONSE_HEADERS = 32 << 10

# Documented: a request with more addresses in X-Forwarded-For is a 463.
_MAX_ADDRESSES = 30

_GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/functions/0123456789abcdef"


def event(request: ClientRequest, setup: Setup, *, is_multi: bool) -> Event:
    _check_request(request)
    pairs = [
        (name, _host(value, request) if name.lower() == "host" else value)
        for name, value in received(request, added(request, setup))
    ]
    query = query_pairs(request.query)
    if is_multi:
        parameters: Event = {"multiValueHeaders": by_name(pairs), "multiValueQueryStringParameters": listed(query)}
    else:
        headers = {name: values[-1] for name, values in by_name(pairs).items()}
        parameters = {"headers": headers, "queryStringParameters": dict(query)}
    return {
        "requestContext": {"elb": {"targetGroupArn": _GROUP}},
        "httpMethod": request.method,
        "path": request.path,
        **parameters,
        **body_fields(request, none=""),
    }


def _host(host: str, request: ClientRequest) -> str:
    """Return the Host with the listener's port, or without one for 80 and 443: its brackets may have colons, too."""
    name, colon, port = host.rpartition(":")
    bare = name if colon and port.isdigit() and not name.endswith(":") else host
    return bare if request.port in ("80", "443") else f"{bare}:{request.port}"


def _check_request(request: ClientRequest) -> None:
    """Raise Refused. All of it is documented, except that CONNECT is refused as TRACE is."""
    if request.method in ("TRACE", "CONNECT"):
        raise Refused(_error(405, "Method Not Allowed").because(f"A load balancer accepts no {request.method}."))
    if any(value.lower() == "websocket" for value in values_of(request.headers, "upgrade")):
        raise Refused(_error(400, "Bad Request").because("A load balancer upgrades no connection for a function."))
    if values_of(request.headers, "transfer-encoding") and not request.is_chunked:
        raise Refused(_error(501, "Not Implemented").because("The only Transfer-Encoding is chunked."))
    addresses = ",".join(values_of(request.headers, "x-forwarded-for")).count(",") + 1
    if addresses > _MAX_ADDRESSES:
        reason = f"X-Forwarded-For has {addresses} addresses where a load balancer accepts {_MAX_ADDRESSES}."
        raise Refused(_error(463, "").because(reason))
    line = len(request.method) + len(request.target) + len(" HTTP/1.1") + 1
    sizes = [len(name) + len(value) for name, value in request.headers]
    limits = [
        (line, _MAX_LINE, _error(414, "Request-URI Too Large")),
        (max(sizes, default=0), _MAX_LINE, _error(400, "Bad Request")),
        (sum(sizes), _MAX_HEADERS, _error(400, "Bad Request")),
        (len(request.body), MAX_SIZE, too_large("")),
    ]
    refuse_large(request, limits)


def added(request: ClientRequest, setup: Setup) -> Headers:
    return tuple(
        (name, _trace(request, value) if name == "x-amzn-trace-id" else value)
        for name, value in forwarded(request, setup)
    )


def _trace(request: ClientRequest, own: str) -> str:
    """Return the trace id. A client's Root is kept, and Self put before it; so are fields of its own.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
    """
    sent = "".join(values_of(request.headers, "x-amzn-trace-id")[-1:])
    fields = [field for field in sent.split(";") if field and not field.startswith("Self=")]
    has_root = any(field.startswith("Root=") for field in fields)
    return ";".join([own.replace("Root=", "Self=") if has_root else own, *fields])


def response(result: object, request: ClientRequest, setup: Setup, *, is_multi: bool) -> ClientResponse:
    """Return the response. Only one of the two maps of headers is read.

    Assumed: each spelling of a name is a header of its own, and a Date or Server of the function's replaces that of the
    load balancer. The page says not to count on the order of values, and it
    was seen reversed: https://github.com/dougmoscrop/serverless-http/issues/244
    """
    reasons: list[str] = []
    try:
        if not isinstance(result, dict):
            raise InvalidResult(f"A load balancer requires an object, but got {type(result).__name__}.")
        check(json_size(result) <= MAX_SIZE, f"The result has more than {MAX_SIZE} bytes of JSON.")
        null = sorted(str(key) for key, value in result.items() if value is None)
        check(not null, f"A load balancer accepts no null: {null}.")
        check("statusCode" in result, "The result has no statusCode.")
        status = status_of(result)
        description = str(result.get("statusDescription", f"{status} "))
        check(description.startswith(f"{status} "), f"Expected '{status} ...' as statusDescription: {description!r}.")
        headers = without(_headers(result, request, reasons, is_multi=is_multi), HOP_BY_HOP, reasons)
        size = sum(len(name) + len(value) for name, value in headers)
        check(size <= _MAX_RESPONSE_HEADERS, f"The headers have more than {_MAX_RESPONSE_HEADERS} bytes.")
        own = [("server", "awselb/2.0"), ("date", formatdate(setup.time, usegmt=True))]
        more = [pair for pair in own if not values_of(headers, pair[0])]
        return respond(status, [*headers, *more], body_of(result), request, reasons)
    except InvalidResult as exc:
        return failure(str(exc), setup)


def _headers(result: dict[str, Any], request: ClientRequest, reasons: list[str], *, is_multi: bool) -> Pairs:
    read, ignored = ("multiValueHeaders", "headers") if is_multi else ("headers", "multiValueHeaders")
    if result.get(ignored):
        reasons.append(f"The target group reads {read}, and not {ignored}.")
    found = result.get(read, {})
    check(isinstance(found, dict), f"Expected an object under {read!r}, but got {found!r}.")
    if is_multi:
        pairs = multi({name: v[::-1] if isinstance(v, list) else v for name, v in found.items()})
    else:
        wrong = [name for name, value in found.items() if not isinstance(value, str)]
        check(not wrong, f"A load balancer accepts strings alone as values of headers: {wrong}.")
        pairs = single(found)
    url = f"{request.scheme}://{request.host}{request.target}"
    return [(name, urljoin(url, value) if name == "location" else value) for name, value in lowered(pairs)]


def failure(reason: str, setup: Setup) -> ClientResponse:
    return _error(502, "Bad Gateway").because(reason)


def too_large(reason: str, setup: Setup | None = None) -> ClientResponse:
    error = _error(413, "Request Entity Too Large")
    return error.because(reason) if reason else error


def _error(status: int, phrase: str) -> ClientResponse:
    title = f"{status} {phrase}"
    body = f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n{body}\r\n</html>\r\n"
    return text_error(status, "text/html", page, more=[("server", "awselb/2.0")])


SERVICES = {
    name: Service(
        event=partial(event, is_multi=is_multi),
        response=partial(response, is_multi=is_multi),
        failure=failure,
        too_large=too_large,
        added=added,
    )
    for name, is_multi in (("alb", False), ("alb-multi", True))
}
