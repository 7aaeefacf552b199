from bridge.sources._address import client_address, last_forwarded, parse_host, server_address
from tests.cases import every_case
from tests.events import BASES, MISSING, load
from tests.sources.exchange import scope_of

# What the Host header must not break, and the event's own name that takes its place.
NONSENSE = ["example.com:65536", "example.com:0", "example.com:x", "example.com:-1", "[::1", "[::1]x", "[zz]:80"]
NONSENSE += ["::1", "a b", "a,b", "user@host", "http://host", "host/path", "\u00e9", ""]
OWN_NAMES = {
    "function_url": ("abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws", 443),
    "http_api_v1": ("abc123def4.execute-api.eu-west-1.amazonaws.com", 443),
    "http_api_v2": ("abc123def4.execute-api.eu-west-1.amazonaws.com", 443),
    "lambda_edge": ("d111111abcdef8.cloudfront.net", 443),
    "rest_api": ("abc123def4.execute-api.eu-west-1.amazonaws.com", 443),
}


def with_host(name: str, host: object) -> dict[str, object]:
    """Return the base event `name` with this Host header, or none."""
    if name == "lambda_edge":
        value = MISSING if host is MISSING else [{"key": "Host", "value": host}]
        return load(name, Records__0__cf__request__headers__host=value)
    if name in ("rest_api", "http_api_v1"):
        several = MISSING if host is MISSING else [host]
        return load(name, multiValueHeaders__Host=several, headers__Host=host)
    if name in ("alb_multi", "vpc_lattice_v2"):
        key = "multiValueHeaders__host" if name == "alb_multi" else "headers__host"
        return load(name, **{key: MISSING if host is MISSING else [host]})
    return load(name, headers__host=host)


@every_case(
    ("value", "expected"),
    [
        ("example.com", ("example.com", None)),
        ("example.com:8080", ("example.com", 8080)),
        ("example.com:", ("example.com", None)),
        ("EXAMPLE.com", ("EXAMPLE.com", None)),
        ("my_service", ("my_service", None)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::1]", ("::1", None)),
        ("[::1]:8080", ("::1", 8080)),
        ("[2001:db8::9]:", ("2001:db8::9", None)),
        *((value, None) for value in [*NONSENSE, "a\x00b", "a\r\nb", "a\x7fb"]),
        ("a" * 256, None),
        ("example.com:000080", None),
        ("example.com:\u0661", None),
    ],
)
def test_a_host_header_is_a_name_and_a_port_or_nothing(value: str, expected: object) -> None:
    assert parse_host(value) == expected


@every_case(
    ("host", "domain", "port", "scheme", "expected"),
    [
        (b"a.example", "b.example", None, "https", ("a.example", 443)),
        (b"a.example", "b.example", None, "http", ("a.example", 80)),
        (b"a.example", "b.example", b"8443", "https", ("a.example", 8443)),
        (b"a.example:1", "b.example", b"8443", "https", ("a.example", 1)),
        (b"a.example", None, b"99999", "https", ("a.example", 443)),
        (b"a.example", None, b"", "https", ("a.example", 443)),
        (b"[::1]:8080", None, None, "https", ("::1", 8080)),
        (None, "b.example", None, "https", ("b.example", 443)),
        (None, "b.example", b"8443", "https", ("b.example", 8443)),
        (b"a b", "b.example", b"8443", "http", ("b.example", 80)),
        (b"a b", None, b"8443", "https", None),
        (b"a b", "c d", None, "https", None),
        (None, None, b"443", "https", None),
    ],
)
def test_the_server_is_the_host_header_else_the_events_own_name(
    host: bytes | None, domain: str | None, port: bytes | None, scheme: str, expected: object
) -> None:
    assert server_address(host, domain, port, scheme) == expected


@every_case("name", BASES)
@every_case("host", NONSENSE)
def test_the_application_sees_a_nonsense_host_as_sent_and_a_server_that_makes_sense(name: str, host: str) -> None:
    scope = scope_of(with_host(name, host))
    assert dict(scope["headers"])[b"host"] == host.encode()
    assert scope["server"] == OWN_NAMES.get(name)
    assert scope["path"].endswith("/orders/café")


@every_case("name", BASES)
def test_a_host_beats_the_events_own_name_and_its_port_the_forwarded_one(name: str) -> None:
    scope = scope_of(with_host(name, MISSING))
    assert (b"host" in dict(scope["headers"]), scope["server"]) == (False, OWN_NAMES.get(name))
    assert scope_of(with_host(name, "[2001:db8::9]:8443"))["server"] == ("2001:db8::9", 8443)


@every_case(
    ("proto", "port", "scheme", "server_port"),
    [
        ("http", "80", "http", 80),
        ("http", None, "http", 80),
        ("https", "8443", "https", 8443),
        ("HTTP", None, "https", 443),
        # The last one is from the nearest front end.
        ("http, https", "80, 443", "https", 443),
        ("https,http", "443,80", "http", 80),
        ("https, http ", None, "http", 80),
        ("http,", None, "https", 443),
        ("ws", None, "https", 443),
        (None, None, "https", 443),
    ],
)
def test_the_scheme_is_the_last_forwarded_one_if_that_is_exactly_http(
    proto: str | None, port: str | None, scheme: str, server_port: int
) -> None:
    event = load("alb", **{"headers__x-forwarded-proto": proto, "headers__x-forwarded-port": port})
    scope = scope_of(event)
    assert (scope["scheme"], scope["server"]) == (scheme, ("shop.example.com", server_port))


@every_case(
    ("value", "expected"),
    [
        ("203.0.113.9", ("203.0.113.9", 0)),
        (" 203.0.113.9 ", ("203.0.113.9", 0)),
        ("203.0.113.9:40001", ("203.0.113.9", 0)),
        ("2001:db8::9", ("2001:db8::9", 0)),
        ("[2001:db8::9]", ("2001:db8::9", 0)),
        ("[2001:db8::9]:40001", ("2001:db8::9", 0)),
        ("test-invoke-source-ip", None),
        ("unknown", None),
        ("1.2.3.4 evil", None),
        ("1.2.3.4\r\nevil: 1", None),
        ("1.2.3.4, 5.6.7.8", None),
        ("dead:beef", None),
        ("-", None),
        (".", None),
        ("dead.beef", None),
        ("1.2.3.4" + " " * 300, None),
        ("", None),
        (" ", None),
        (None, None),
        (7, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_client_is_an_address_and_port_0_or_unknown(value: object, expected: object) -> None:
    assert client_address(value) == expected


@every_case(
    ("values", "expected"),
    [
        ([b"a, b"], " b"),
        ([b"a"], "a"),
        ([b"a,"], ""),
        ([b""], ""),
        ([], None),
        ([b"a", b"b, c"], " c"),
        ([b"a", b"b"], "b"),
    ],
)
def test_the_last_forwarded_entry_is_the_load_balancers_own(values: list[bytes], expected: str | None) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value) for value in values), (b"accept", b"*/*")]
    assert last_forwarded(headers) == expected


@every_case(
    ("name", "key"),
    [
        ("rest_api", "requestContext__identity__sourceIp"),
        ("http_api_v1", "requestContext__identity__sourceIp"),
        ("http_api_v2", "requestContext__http__sourceIp"),
        ("function_url", "requestContext__http__sourceIp"),
        ("lambda_edge", "Records__0__cf__request__clientIp"),
        ("alb", "headers__x-forwarded-for"),
        ("vpc_lattice_v1", "headers__x-forwarded-for"),
        ("vpc_lattice_v2", "headers__x-forwarded-for"),
    ],
)
def test_an_unknown_client_is_none_in_every_source(name: str, key: str) -> None:
    assert scope_of(load(name, **{key: "198.51.100.7"}))["client"] == ("198.51.100.7", 0)
    for unknown in (MISSING, None, ""):
        assert scope_of(load(name, **{key: unknown}))["client"] is None
