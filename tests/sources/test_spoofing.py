"""What a client claims in its headers, and the truth that the application sees."""

from typing import Any

from bridge import Settings
from tests.cases import every_case
from tests.events import BASES, load
from tests.sources.exchange import FIELDS, Answer, answer, scope_of

Headers = dict[str, list[str]]

EDGE = "Records__0__cf__request__headers"
REPEATED = ("alb_multi", "http_api_v1", "lambda_edge", "rest_api", "vpc_lattice_v2")  # a list for each name

# The client that the front end of each base event saw.
CLIENTS = {name: "10.0.1.9" if name.startswith("vpc_lattice") else "203.0.113.9" for name in BASES}

# The services that write x-forwarded-proto and x-forwarded-port themselves, after the client's own.
FORWARDING = ("alb", "alb_multi", "function_url", "http_api_v1", "http_api_v2", "rest_api")


def with_headers(name: str, sent: Headers, **overrides: Any) -> dict[str, Any]:
    """Return the base event `name` with these headers in addition, or in place of those with the same names."""
    event = load(name, **overrides)
    if name == "lambda_edge":
        items = {key.lower(): [{"key": key, "value": value} for value in values] for key, values in sent.items()}
        event["Records"][0]["cf"]["request"]["headers"].update(items)
        return event
    key = "multiValueHeaders" if "multiValueHeaders" in event else "headers"
    lower = {header.lower() for header in sent}
    kept = {header: value for header, value in event[key].items() if header.lower() not in lower}
    event[key] = kept | (sent if name in REPEATED else {header: ",".join(values) for header, values in sent.items()})
    return event


@every_case("name", BASES)
def test_headers_that_only_a_server_may_set_do_not_arrive(name: str) -> None:
    sent = {
        "X-Amzn-Request-Context": ['{"accountId": "1"}'],
        "x-amzn-lambda-context": ["{}", "{}"],
        "X-AMZ-Tenant-Id": ["victim"],
        "x_amz_tenant_id": ["victim"],
        "X-Amzn_Request-Context": ["{}"],
        "X-Amzn-Connection-Id": ["victim="],
        "x_amzn_connection_id": ["victim="],
        "X.Amzn-Connection_Id": ["victim="],
    }
    assert scope_of(with_headers(name, sent))["headers"] == scope_of(load(name))["headers"]


@every_case("name", BASES)
def test_another_spelling_of_a_header_that_is_trusted_does_not_arrive(name: str) -> None:
    """To Django and to WSGI, x_forwarded_for is x-forwarded-for."""
    sent = {
        "X_Forwarded_For": ["127.0.0.1"],
        "x-forwarded_proto": ["http"],
        "X.Forwarded.Host": ["evil.example"],
        "X_Amzn_Trace_Id": ["Root=1"],
        "x_amzn_oidc_data": ["forged"],
        "x_amz_cf_id": ["forged"],
        "CloudFront_Forwarded_Proto": ["http"],
        "Content_Length": ["0"],
        "transfer_encoding": ["chunked"],
        "Proxy.Connection": ["close"],
    }
    assert scope_of(with_headers(name, sent))["headers"] == scope_of(load(name))["headers"]
    # Clients of storage APIs choose the ends of such names: no front end sets them.
    own = {
        "x_own": ["1"],
        "x.own": ["2"],
        "x_forwarded": ["3"],
        "x-amz-meta-file_name": ["4"],
        "x-amz-meta-v1.0": ["5"],
    }
    headers = dict(scope_of(with_headers(name, own))["headers"])
    assert [headers[key.encode()] for key in own] == [b"1", b"2", b"3", b"4", b"5"]


@every_case("name", BASES)
def test_headers_about_the_clients_connection_do_not_arrive(name: str) -> None:
    sent = {
        "Connection": ["keep-alive, x-forwarded-for, x-amzn-oidc-data, content-length, host", "close"],
        "Keep-Alive": ["timeout=5"],
        "Proxy-Connection": ["keep-alive"],
        "TE": ["trailers"],
        "Upgrade": ["websocket"],
        "Transfer-Encoding": ["gzip, chunked"],
    }
    headers = dict(scope_of(with_headers(name, sent | {"X-Amzn-Oidc-Data": ["signed"]}))["headers"])
    # What the front end added stays, whatever Connection names.
    assert headers.pop(b"x-amzn-oidc-data") == b"signed"
    assert headers == dict(scope_of(load(name))["headers"])


@every_case("name", BASES)
@every_case(
    "sent",
    [
        {"Content-Length": ["0"]},
        {"Content-Length": ["99999"]},
        {"Content-Length": ["-1"]},
        {"Content-Length": ["10", "0"]},
        {"Content-Length": ["0, 10"]},
        {"content_length": ["0"], "Content-Length": ["1"]},
        {"Transfer-Encoding": ["chunked"], "Content-Length": ["0"]},
        {"Transfer-Encoding": ["chunked", "identity"]},
        {"Transfer-Encoding": ["\x0bchunked".strip()]},
    ],
)
def test_the_length_is_that_of_the_body(name: str, sent: Headers) -> None:
    app = Answer()
    answer(with_headers(name, sent), app)
    lengths = [value for key, value in app.scope["headers"] if key == b"content-length"]
    assert (app.body, lengths) == (b'{"qty": 2}', [b"10"])
    assert b"transfer-encoding" not in dict(app.scope["headers"])


@every_case("name", BASES)
def test_the_client_is_the_one_that_the_front_end_saw(name: str) -> None:
    ours = CLIENTS[name]
    forged = ["198.51.100.1, 127.0.0.1", f"::1, {ours}"]
    sent = {
        # Where the header is all that tells, its last entry is the front end's own.
        "X-Forwarded-For": forged if name in REPEATED else [", ".join(forged)],
        "X-Real-IP": ["127.0.0.1"],
        "Forwarded": ["for=127.0.0.1;host=evil.example;proto=http"],
        "X-Client-IP": ["127.0.0.1"],
        "True-Client-IP": ["127.0.0.1"],
    }
    scope = scope_of(with_headers(name, sent))
    assert (scope["client"], scope["scheme"]) == ((ours, 0), "https")
    if name not in ("alb", "alb_multi", "vpc_lattice_v1", "vpc_lattice_v2"):
        sent = {"X-Forwarded-For": ["127.0.0.1"]}  # the event has a field of its own
        assert scope_of(with_headers(name, sent))["client"] == (ours, 0)


@every_case("name", BASES)
def test_the_scheme_and_the_port_are_the_front_ends(name: str) -> None:
    forged = {"X-Forwarded-Proto": ["http", "https"], "X-Forwarded-Port": ["80", "443"]}
    scope = scope_of(with_headers(name, forged))
    assert (scope["scheme"], scope["server"][1]) == ("https", 443)
    alone = {"X-Forwarded-Proto": ["http"], "X-Forwarded-Port": ["8080"], "X-Forwarded-Ssl": ["off"]}
    scope = scope_of(with_headers(name, alone))
    expected = ("http", 8080) if name in FORWARDING else ("https", 443)
    assert (scope["scheme"], scope["server"][1]) == expected


@every_case("name", BASES)
def test_a_forwarded_host_and_prefix_are_headers_like_others(name: str) -> None:
    sent = {"X-Forwarded-Host": ["evil.example"], "X-Forwarded-Prefix": ["/evil"], "X-Original-URL": ["/evil"]}
    scope, honest = scope_of(with_headers(name, sent)), scope_of(load(name))
    headers = dict(scope["headers"])
    assert [headers.pop(key.lower().encode()) for key in sent] == [b"evil.example", b"/evil", b"/evil"]
    assert headers == dict(honest["headers"])
    for key in ("server", "path", "root_path", "raw_path", "scheme", "client", "method"):
        assert scope[key] == honest[key]


@every_case("name", BASES)
def test_a_method_override_is_a_header_like_others(name: str) -> None:
    sent = {"X-HTTP-Method-Override": ["DELETE"], "X-Method-Override": ["DELETE"]}
    assert scope_of(with_headers(name, sent))["method"] == "POST"


TRUSTING = Settings(trust_forwarded_host=True)


@every_case("name", BASES)
@every_case(
    ("forwarded", "host", "server"),
    [
        (["shop.example.org"], b"shop.example.org", ("shop.example.org", 443)),
        (["shop.example.org:8443"], b"shop.example.org:8443", ("shop.example.org", 8443)),
        (["[2001:db8::1]"], b"[2001:db8::1]", ("2001:db8::1", 443)),
        # The last one is the nearest proxy's.
        (["evil.example, shop.example.org"], b"shop.example.org", ("shop.example.org", 443)),
        (["evil.example", "shop.example.org"], b"shop.example.org", ("shop.example.org", 443)),
    ],
)
def test_a_trusted_forwarded_host_takes_the_place_of_the_host(
    name: str, forwarded: list[str], host: bytes, server: object
) -> None:
    scope = scope_of(with_headers(name, {"X-Forwarded-Host": forwarded}), TRUSTING)
    assert [value for key, value in scope["headers"] if key == b"host"] == [host]
    assert scope["server"] == server
    assert b"x-forwarded-host" in dict(scope["headers"])


@every_case("name", BASES)
@every_case("forwarded", [[], [""], ["evil.example,"], ["a b"], ["user@evil.example"], ["evil.example/x"], ["\u00e9"]])
def test_a_trusted_forwarded_host_that_is_none_changes_nothing(name: str, forwarded: list[str]) -> None:
    event = with_headers(name, {"X-Forwarded-Host": forwarded} if forwarded else {})
    scope, honest = scope_of(event, TRUSTING), scope_of(event)
    assert (scope["headers"], scope["server"]) == (honest["headers"], honest["server"])


def test_a_trusted_forwarded_host_has_the_default_port_of_the_scheme() -> None:
    sent = {"X-Forwarded-Host": ["shop.example.org"], "X-Forwarded-Proto": ["http"], "X-Forwarded-Port": ["8080"]}
    assert scope_of(with_headers("alb", sent), TRUSTING)["server"] == ("shop.example.org", 80)


@every_case("name", ["function_url", "http_api_v2"])
def test_the_path_is_never_that_of_the_request_context(name: str) -> None:
    event = load(name, requestContext__http__path="/admin\x04\x7f", **{FIELDS[name]["path"]: "/a%2Fb"})
    scope = scope_of(event)
    assert scope["path"] == ("/a/b" if name == "function_url" else "/a%2Fb")
