"""What two HTTP parsers could frame differently is refused, with every source, those of users too."""

from contextlib import closing
from typing import Any

import pytest

from bridge import Bridge
from bridge._httpx import httpx
from bridge._types import HeaderPairs
from bridge.errors import MalformedEvent
from bridge.sources import CompleteResponse, EventRequest, encode_response, make_request
from tests.cases import every_case
from tests.events import BASES, load
from tests.logged import assert_logged
from tests.sources.exchange import CONTEXT, FIELDS, Answer, answer, as_client, scope_of

SMUGGLED = "POST /hooks/restored HTTP/1.1\r\nHost: e\r\nContent-Length: 0\r\n\r\n"
CONTROLS = ["\0", "\x01", "\x08", "\n", "\r", "\r\n", "\x0b", "\x1f", "\x7f"]


def with_header(name: str, header: str, *values: str) -> dict[str, Any]:
    """Return the base event `name` with no header but this one. Sources with one value for each name get the last."""
    if name == "lambda_edge":
        headers: Any = {header: [{"key": header, "value": value} for value in values]}
        return load(name, Records__0__cf__request__headers=headers)
    if name in ("alb_multi", "rest_api", "http_api_v1"):
        return load(name, multiValueHeaders={header: list(values)}, headers=None)
    if name == "vpc_lattice_v2":
        return load(name, headers={header: list(values)})
    return load(name, headers={header: values[-1]}, **({"cookies": None} if "cookies" in load(name) else {}))


def refused(name: str, event: dict[str, Any]) -> int:
    """Return the status for an event that must not reach the application."""
    app = Answer()
    status, _, _ = as_client(answer(event, app))
    assert not app.scope, "the application was called"
    return status


@every_case("name", BASES)
@every_case("method", ["CONNECT", "connect", "Connect"])
def test_connect_is_not_implemented(name: str, method: str, caplog: pytest.LogCaptureFixture) -> None:
    event = load(name, **{FIELDS[name]["method"]: method, FIELDS[name]["body"]: SMUGGLED})
    if name != "lambda_edge":
        event[FIELDS[name]["base64"]] = False
    else:
        event["Records"][0]["cf"]["request"]["body"]["encoding"] = "text"
    assert refused(name, event) == 501
    assert_logged(caplog, ("ERROR", f"A malformed {BASES[name]} event", "CONNECT"))


@every_case("name", BASES)
@every_case(
    "method", ["GE T", " GET", "GET ", "GET\t", "GET\r\nX: 1", "G\0", "G\x7f", "G\u00c9T", "GET\ud800", "a:b", "{}"]
)
def test_a_method_is_a_token(name: str, method: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(name, load(name, **{FIELDS[name]["method"]: method})) == 400
    assert_logged(caplog, ("ERROR", "Expected a method that is a token", ascii(method)))
    assert "\n" not in caplog.records[0].getMessage()


@every_case("name", BASES)
@every_case("header", ["x a", "x:", "", " ", "x\r\ny", "x\0", "x\u00e9", "x\u212a", "x(", "x\ud800"])
def test_the_name_of_a_header_is_a_token(name: str, header: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(name, with_header(name, header, "1")) == 400
    assert_logged(caplog, ("ERROR", "Expected the name of a header to be a token"))
    assert "\n" not in caplog.records[0].getMessage()


@every_case("name", BASES)
@every_case("header", ["X-A", "Host", "Cookie", "Content-Type", "X-Forwarded-For"])
@every_case("control", CONTROLS)
def test_a_value_has_no_control_bytes(name: str, header: str, control: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(name, with_header(name, header, f"a{control}b")) == 400
    assert_logged(caplog, ("ERROR", f"Expected the value of the header '{header.lower()}' to have no control bytes"))


@every_case("name", ["function_url", "http_api_v2"])
@every_case("control", CONTROLS)
def test_a_cookie_in_a_list_has_no_control_bytes(name: str, control: str) -> None:
    assert refused(name, load(name, cookies=["a=1", f"b={control}"])) == 400


@every_case("name", BASES)
def test_every_other_byte_of_a_value_passes(name: str) -> None:
    value = "a\t" + "".join(map(chr, range(0x20, 0x7F))) + "\u0080\u0085\u00a0\u00ff\u2028z"
    assert dict(scope_of(with_header(name, "X-A", value))["headers"])[b"x-a"] == value.encode()


@every_case("name", ["alb_multi", "http_api_v1", "lambda_edge", "rest_api", "vpc_lattice_v2"])
def test_there_is_one_host(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(name, with_header(name, "Host", "a.example", "b.example")) == 400
    assert_logged(caplog, ("ERROR", "Expected one Host header, but got 2"))


class Strange:
    """A source whose requests are what the event says."""

    name = "strange"

    @staticmethod
    def matches(event: dict[str, Any]) -> bool:
        return True

    @staticmethod
    def decode(event: dict[str, Any], settings: object) -> httpx.Request:
        return event["request"]  # type: ignore[no-any-return]

    @staticmethod
    def encode(response: CompleteResponse, event: dict[str, Any], settings: Any) -> dict[str, Any]:
        return {"status": encode_response(response, method="GET", settings=settings).status_code}


def plain(method: str = "GET", target: bytes = b"/", **headers: str) -> httpx.Request:
    return httpx.Request(method, "http://shop.example/", headers=headers, extensions={"target": target})


def event_request(method: str = "GET", target: bytes = b"/", headers: HeaderPairs | None = None) -> EventRequest:
    return EventRequest(method, target, headers or [], b"", {"scheme": "https", "server": None})


@every_case(
    ("request_", "status"),
    [
        (plain(), 200),
        (event_request(), 200),
        (plain(target=b"/a?b=/c?d"), 200),
        (plain("OPTIONS", b"*"), 200),
        (plain("GET", b"*"), 400),
        (plain(target=b"a"), 400),
        (plain(target=b"http://evil.example/"), 400),
        (plain(target=b"evil.example:443"), 400),
        (plain(target=b"/a b"), 400),
        (plain(target=b"/ HTTP/1.1\r\nX: 1"), 400),
        (plain(target=b"/\xe9"), 400),
        (plain("CONNECT"), 501),
        (plain("GE T"), 400),
        (plain(x="a\nb"), 400),
        # Made without make_request, which checks all this too.
        (event_request("CONNECT"), 501),
        (event_request(headers=[(b"x y", b"1")]), 400),
        (event_request(headers=[(b"host", b"a"), (b"x", b"1"), (b"host", b"a")]), 400),
        (event_request(target=b"evil"), 400),
    ],
)
def test_a_source_of_the_users_is_checked_too(request_: httpx.Request, status: int) -> None:
    with closing(Bridge(Answer(), sources=[Strange], lifespan="off")) as handler:
        assert handler({"request": request_}, CONTEXT) == {"status": status}


@every_case(
    ("method", "path", "headers", "status"),
    [
        ("X\n" * 5000, "/", [], 400),
        ("connect", "/", [], 501),
        ("GET", "x" * 5000, [], 400),
        ("GET", "*", [], 400),
        ("GET", "/", [(b"\n" * 5000, b"")], 400),
        ("GET", "/", [(b"", b"")], 400),
        ("GET", "/", [(b"x" * 5000, b"\n" * 5000)], 400),
        ("GET", "/", [(b"a", b"1"), (b"a", b"\0"), (b"a", b"2")], 400),
        ("GET", "/", [(b"host", b"a"), (b"host", b"a")], 400),
    ],
)
def test_a_request_is_checked_when_it_is_made(method: str, path: str, headers: HeaderPairs, status: int) -> None:
    with pytest.raises(MalformedEvent) as caught:
        make_request(method=method, path=path, headers=headers)
    assert caught.value.status_code == status
    # What the error shows of a client is short and escaped.
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_a_request_for_the_server_itself_can_be_made() -> None:
    assert make_request(method="OPTIONS", path="*", headers=[]).extensions["target"] == b"*"
