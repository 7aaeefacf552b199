"""Valid requests of clients, and what an application must see of them behind each service."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from hypothesis import strategies as st

from bridge._types import Scope
from bridge.testing.messages import ClientRequest, Headers, by_name
from tests.integration.services import Service

__all__ = ["client_requests", "expected_headers", "expected_query", "keeps_path", "query_of", "received"]

_UNRESERVED = "abcXYZ019-._~"

# Characters of a path and of a query as clients send them (RFC 3986, 3.3 and 3.4). An encoded "?" and "%" are tested
# with the decoder's tables: HTTP APIs lose the one and cannot tell the other.
_PATH_PARTS = [*_UNRESERVED, *"!$&'()*+,;=:@", "%20", "%2F", "%C3%A9", "%E2%82%AC", "%00", "%0D%0A", "%22", "%7E"]
_QUERY_PARTS = [*_UNRESERVED, *"!$'()*,:@/?", "+", "%20", "%26", "%3D", "%2B", "%C3%A9", "%25", "%0A", "%23"]

_segment = st.lists(st.sampled_from(_PATH_PARTS), max_size=5).map("".join)
# Dot segments are not in it: clients and front ends remove them.
_paths = st.lists(_segment.filter(lambda part: part not in (".", "..")), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
_word = st.lists(st.sampled_from(_QUERY_PARTS), min_size=1, max_size=4).map("".join)
_queries = st.lists(st.tuples(_word, st.just("") | _word).map("=".join), max_size=4).map("&".join)

_METHODS = st.sampled_from(
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]  # of which every service knows
)

# Names without a meaning to a gateway, and values in UTF-8 with blanks inside. Other bytes do not survive AWS
# (docs/fidelity.md).
_names = st.sampled_from(["Accept", "X-A", "x-b", "x_b", "Accept-Language", "User-Agent", "Referer", "If-Match"])
_VALUES = ["a", "Z", "0", " ", ",", ";", '"', "=", "/", "\t", "é", "ī", "😀"]
_utf8 = st.lists(st.sampled_from(_VALUES), max_size=6).map(lambda parts: "".join(parts).strip(" \t").encode())
_values = _utf8.map(lambda value: value.decode("latin-1"))

_TYPES = ["application/octet-stream", "image/png", "application/json", "text/plain; charset=utf-8", ""]
_text = st.text(max_size=20).map(str.encode)


@st.composite
def client_requests(draw: st.DrawFn) -> ClientRequest:
    """Return a strategy for requests that every service accepts."""
    media_type = draw(st.sampled_from(_TYPES))
    is_text = media_type.startswith(("text/", "application/json"))
    body = draw(_text if is_text else _text | st.binary(max_size=40))
    query = draw(_queries)
    headers = [("Host", "app.example.com"), *draw(st.lists(st.tuples(_names, _values), max_size=5))]
    headers += [("Content-Type", media_type)] if media_type else []
    is_chunked = bool(body) and draw(st.booleans())
    if is_chunked:
        headers.append(("Transfer-Encoding", "chunked"))
    elif body:
        headers.append(("Content-Length", str(len(body))))
    return ClientRequest(
        method=draw(_METHODS), target=draw(_paths) + (f"?{query}" if query else ""), headers=tuple(headers), body=body
    )


def expected_headers(service: Service, request: ClientRequest) -> dict[str, list[bytes]]:
    """Return the values of each header as the application must see them, as bytes."""
    added: Headers = service.added(request)
    sent = by_name((*request.headers, *added))
    sent.pop("transfer-encoding", None)
    sent.pop("content-length", None)
    if request.body:
        sent["content-length"] = [str(len(request.body))]
    elif service.group.startswith("HTTP API"):
        sent["content-length"] = ["0"]  # which HTTP APIs add
    kept = _kept(service)
    return _unspaced({name: [value.encode("latin-1") for value in kept(values)] for name, values in sent.items()})


def received(scope: Scope) -> dict[str, list[bytes]]:
    """Return the values of each header as the application has got them."""
    headers: dict[str, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("ascii"), []).append(value)
    return _unspaced(headers)


def _unspaced(headers: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Return `headers` without the blanks beside commas: where a service joins values, the blanks are its own."""
    return {name: [re.sub(rb" *, *", b",", value).strip() for value in values] for name, values in headers.items()}


def _kept(service: Service) -> Callable[[list[str]], list[str]]:
    if service.id == "alb":
        return lambda values: values[-1:]
    if service.group in ("HTTP API 2.0", "Function URL", "Lattice v1"):
        return lambda values: [",".join(values)]
    return lambda values: values


Query = dict[str, list[str]]


def query_of(query: str) -> Query:
    grouped: Query = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        grouped.setdefault(name, []).append(value)
    return grouped


def expected_query(service: Service, request: ClientRequest) -> Query:
    """Return the values of each query parameter, decoded. Some services keep the last one alone."""
    if service.id not in ("alb", "lattice1"):
        return query_of(request.query)
    # These two keep names apart that differ in their encoding alone.
    last = dict(part.partition("=")[::2] for part in request.query.split("&") if part)
    return query_of("&".join(f"{name}={value}" for name, value in last.items()))


def keeps_path(service: Service) -> bool:
    """Return whether the service's event has the path as the client encoded it."""
    return not service.group.startswith("HTTP API")
