"""Lambda Web Adapter's integration tests (its tests/integ_tests/main.rs) by their own names.

https://github.com/aws/aws-lambda-web-adapter

Its other tests are here under other names:

| there | here |
| --- | --- |
| settings, src/lib.rs | tests/proxy/test_settings.py; an invalid setting is refused there, not ignored |
| readiness, src/readiness.rs | tests/proxy/test_readiness.py, tests/proxy/test_server.py |
| context headers, tenant | tests/test_context_headers.py |
| hooks, src/snapstart.rs, and their guard | tests/proxy/test_handler_snapstart.py, tests/test_path_guard.py |
| concurrent requests | tests/proxy/test_transport_connections.py |

Tests without an equivalent:

| there | why not |
| --- | --- |
| test_invoke_mode_from_str | no such setting of Proxy: `handler(...)` is buffered, `handler.stream(...)` is not |
| test_apply_runtime_proxy_config_sets_env, test_register_extension_... | it is no extension |
| the four tests of tests/e2e_tests | they need a deployed function; test_http_* and the emulator ask the same |
"""

import gzip
import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bridge import Proxy, Settings
from bridge.errors import ErrorStatus
from bridge.testing.messages import ClientResponse
from tests.cases import every_case
from tests.integration.servers import ask
from tests.proxy.origins import Origin, answering, response

Headers = tuple[tuple[str, str], ...]

OK = ClientResponse(200, (), b"OK")


@dataclass(frozen=True)
class Exchange:
    """A request, the answer of the web server, and what each side gets of the other's. `seen`: the request there.

    `seen_headers`: values by name.
    """

    name: str
    method: str = "GET"
    target: str = "/hello"
    headers: Headers = ()
    body: bytes = b""
    seen: str = ""  # as `target`, by default
    seen_headers: dict[str, list[str]] = field(default_factory=dict)
    answer: ClientResponse = OK
    settings: dict[str, Any] = field(default_factory=dict)


ZIPPED = gzip.compress(b"the body of a response", mtime=0)
GRAPHQL = (("content-type", "application/graphql-response+json; charset=utf-8"),)
PROD = {"base_path": "/prod"}

EXCHANGES = [
    Exchange("test_http_basic_request", answer=ClientResponse(200, (), b"Hello World")),
    Exchange(
        "test_http_headers",
        headers=(("foo", "bar"),),
        seen_headers={"foo": ["bar"]},
        answer=ClientResponse(200, (("fizz", "buzz"),), b"OK"),
    ),
    Exchange("test_http_path_encoding", target="/A\u00f1o_1234", seen="/A%C3%B1o_1234"),
    Exchange("test_http_query_params", target="/?foo=bar&fizz=buzz"),
    Exchange("test_http_post_put_delete", "POST"),
    Exchange("test_http_post_put_delete", "PUT"),
    Exchange("test_http_post_put_delete", "DELETE"),
    Exchange(
        "test_http_request_body_forwarded",
        "POST",
        headers=(("content-type", "application/json"),),
        body=b'{"name": "test", "value": 123}',
        seen_headers={"content-type": ["application/json"]},
        answer=ClientResponse(201, (), b"JSON Created"),
    ),
    Exchange("test_http_request_body_forwarded", "POST", seen_headers={"content-type": []}),
    Exchange("test_http_request_body_forwarded", "POST", body=b"\x00\x01\x02\xff\xfe\x89PNG"),
    Exchange(
        "test_http_compress_disallowed_type",
        headers=(("accept-encoding", "gzip"),),
        answer=ClientResponse(200, (("content-type", "application/octet-stream"),), b"a body of 59 bytes"),
    ),
    Exchange(
        "test_http_compress_already_compressed",
        headers=(("accept-encoding", "gzip"),),
        answer=ClientResponse(200, (("content-type", "text/plain"), ("content-encoding", "gzip")), ZIPPED),
    ),
    Exchange("test_http_content_encoding_suffix", answer=ClientResponse(200, GRAPHQL, b'{"data": {"status": "OK"}}')),
    Exchange(
        "test_http_authorization_source",
        headers=(("Auth-Token", "Bearer token"), ("Authorization", "old")),
        seen_headers={"authorization": ["Bearer token"], "auth-token": []},
        settings={"authorization_source": "auth-token"},
    ),
    Exchange(
        "test_http_authorization_source_missing_header",
        seen_headers={"authorization": []},
        settings={"authorization_source": "x-missing-auth"},
    ),
    Exchange("test_http_base_path_stripping", target="/prod/api/data", seen="/api/data", settings=PROD),
    Exchange("test_http_base_path_no_match", target="/other/path", settings=PROD),
    Exchange("test_http_base_path_root_after_strip", target="/prod", seen="/", settings=PROD),
    Exchange(
        "test_http_error_status_codes_non_matching",
        answer=ClientResponse(404, (), b"Not Found"),
        settings={"error_status_codes": "500,502-504"},
    ),
    # A client cannot make up a tenant of its own either.
    Exchange(
        "test_no_tenant_id_header_when_absent",
        headers=(("X-Amz-Tenant-Id", "forged"),),
        seen_headers={"x-amz-tenant-id": []},
    ),
]


def origin_of(answer: ClientResponse) -> Origin:
    headers = [f"{name}: {value}".encode() for name, value in answer.headers]
    return Origin(answering(response(answer.body, *headers, status=b"%d Whatever" % answer.status)))


def proxy(origin: Origin, **settings: Any) -> Proxy:
    """Return a handler whose readiness check sends no request."""
    return Proxy(url=f"http://127.0.0.1:{origin.port}", readiness_protocol="tcp", settings=Settings(**settings))


@every_case("exchange", EXCHANGES)
def test_exchange(exchange: Exchange) -> None:
    answer = exchange.answer
    with origin_of(answer) as origin, closing(proxy(origin, **exchange.settings)) as handler:
        found = ask(handler, exchange.method, exchange.target, *exchange.headers, body=exchange.body)

    length = ("content-length", str(len(answer.body)))
    assert found == replace(answer, headers=(length, *answer.headers))
    (request,) = origin.requests
    line = f"{exchange.method} {exchange.seen or exchange.target} HTTP/1.1"
    assert (request.line, request.body) == (line.encode(), exchange.body)
    seen = {name: [value.decode() for value in request.values(name.encode())] for name in exchange.seen_headers}
    assert seen == exchange.seen_headers


def test_http_compress() -> None:
    text = b"a text that is long enough to be compressed"
    plain = ClientResponse(200, (("content-type", "text/plain"),), text)
    with origin_of(plain) as origin, closing(proxy(origin, compression=True)) as handler:
        found = ask(handler, "GET", "/", ("accept-encoding", "gzip"))

    headers = {"content-type": "text/plain", "content-encoding": "gzip", "vary": "Accept-Encoding"}
    assert dict(found.headers) == {**headers, "content-length": str(len(found.body))}
    assert gzip.decompress(found.body) == text
    (request,) = origin.requests
    assert request.values(b"accept-encoding") == [b"gzip"]


def test_http_error_status_codes() -> None:
    with origin_of(ClientResponse(502, (), b"Bad Gateway")) as origin:
        handler = proxy(origin, error_status_codes=frozenset([500, 502]))
        with closing(handler), pytest.raises(ErrorStatus) as caught:
            ask(handler, "GET", "/error")

    assert json.loads(str(caught.value)) == {"statusCode": 502, "body": "Bad Gateway"}
