import pytest

from tests.cases import every_case
from tests.events import load
from tests.logged import assert_logged
from tests.sources.exchange import Answer, answer, scope_of

HOST = b"shop-0123456789abcdef0.7d67968.vpc-lattice-svcs.eu-west-1.on.aws"


@every_case(
    ("sent", "path", "query_string"),
    [
        ("/a%2Fb", "/a/b", b"tag=b"),
        ("/a%20b?c=d%20e", "/a b", b"c=d%20e"),
        ("/?a=1?", "/", b"a=1?"),
        ("/a?", "/a", b"tag=b"),
        ("", "/", b"tag=b"),
    ],
)
def test_the_raw_path_may_carry_the_query(sent: str, path: str, query_string: bytes) -> None:
    scope = scope_of(load("vpc_lattice_v1", raw_path=sent, query_string_parameters={"tag": "b"}))
    assert (scope["path"], scope["query_string"]) == (path, query_string)


def test_what_would_break_the_query_string_is_quoted() -> None:
    event = load("vpc_lattice_v1", query_string_parameters={"a b": "1&2#3 4", "c": "%20", "d": ""})
    assert scope_of(event)["query_string"] == b"a%20b=1%262%233%204&c=%20&d="


def test_lattice_forwards_no_scheme_so_that_a_header_which_names_one_is_the_clients() -> None:
    scope = scope_of(
        load("vpc_lattice_v1", **{"headers__x-forwarded-proto": "http", "headers__x-forwarded-port": "80"})
    )
    assert (scope["scheme"], scope["server"]) == ("https", (HOST.decode(), 443))


def test_the_last_cookie_is_sent_and_the_others_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    cookies = [b"sid=secret; Path=/", b"theme=dark", b"visit=1"]
    result = answer(load("vpc_lattice_v1"), Answer(headers=[(b"set-cookie", cookie) for cookie in cookies]))
    assert result == {"statusCode": 200, "headers": {"set-cookie": "visit=1"}, "body": "", "isBase64Encoded": False}
    assert_logged(caplog, ("WARNING", "POST /orders/caf%C3%A9: ", "'sid, theme'"))
    assert "secret" not in caplog.text


def test_a_single_cookie_and_repeated_headers_are_strings(caplog: pytest.LogCaptureFixture) -> None:
    headers = [(b"vary", b"a"), (b"set-cookie", b"a=1"), (b"vary", b"b")]
    result = answer(load("vpc_lattice_v1"), Answer(headers=headers))
    assert result["headers"] == {"vary": "a, b", "set-cookie": "a=1"}
    assert_logged(caplog)
