"""An invocation from a reply of the API, whose headers are not trusted."""

import pytest

from bridge.errors import RuntimeApiRefused
from bridge.runtime.api.http import Reply, request_head
from bridge.runtime.api.vocabulary import Invocation, check_answer, check_reply
from tests.cases import every_case
from tests.logged import assert_logged

ID = b"lambda-runtime-aws-request-id"


def invocation(**headers: bytes) -> Invocation:
    named = {b"lambda-runtime-" + name.replace("_", "-").encode(): value for name, value in headers.items()}
    return Invocation(Reply(200, {ID: b"request-1"} | named, b"{}"))


@every_case(
    ("header", "deadline"),
    [(b"", 0), (b"0", 0), (b"1", 1), (b"1764193200000", 1764193200000), (b"9999999999999", 9999999999999)],
)
def test_a_deadline_is_in_milliseconds(header: bytes, deadline: int, caplog: pytest.LogCaptureFixture) -> None:
    assert invocation(deadline_ms=header).deadline_ms == deadline
    assert_logged(caplog)


IMPOSSIBLE = (b"9" * 14, b"9" * 400, b"9" * 5000, b"-1", b"+1", b"1.5", b"1e3", b"nan", b"inf", b"0x1", b"1_0", b"1 2")


@every_case("header", [*IMPOSSIBLE, b" ", "\u0661".encode(), b"\x1b[2J"])
def test_an_impossible_deadline_is_logged_and_counts_as_none(header: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert invocation(deadline_ms=header).deadline_ms == 0
    assert_logged(caplog, ("WARNING", "Deadline-Ms", repr(header[:50])))
    assert "\x1b" not in caplog.text


@every_case("header", [b"", b" ", b"a b", b"a\0b", b"a\r\nb", b"\x1b", b"\x7f", b"caf\xe9", b"\xc3\xa9", b"a\tb"])
def test_a_request_id_that_cannot_be_in_a_path_is_refused(header: bytes) -> None:
    with pytest.raises(RuntimeApiRefused, match=r"Request-Id is .*\.$") as caught:
        invocation(aws_request_id=header)
    assert str(caught.value).isprintable()


def test_every_other_request_id_is_a_part_of_the_path() -> None:
    for header in (b"8476a536-e9f4-11e8-9739-2dfe598c3fcd", b"1", b"a%20b:!~"):
        one = invocation(aws_request_id=header)
        for path, end in ((one.response_path, b"response"), (one.error_path, b"error")):
            assert path == b"/2018-06-01/runtime/invocation/%s/%s" % (header, end)
            assert request_head(b"POST", path, one.echo)


@every_case(
    ("status", "level"),
    [(410, "WARNING"), (400, "ERROR"), (413, "ERROR"), (500, "ERROR")],
)
def test_a_reply_is_one_line_of_the_log(status: int, level: str, caplog: pytest.LogCaptureFixture) -> None:
    check_answer(
        Reply(status, {}, b'{"message": "a\xff"}\n\r\0\x1b[2J\x7f\xc2\x85\xe2\x80\xa8[ERROR]\tforged\n'),
        lambda: "GET /x",
    )
    escaped = r"\n\r\x00\x1b[2J\x7f\x85\u2028[ERROR]\tforged"
    assert_logged(caplog, (level, "GET /x: ", str(status), r"a\xff", escaped))
    assert caplog.messages[0].isprintable()


def test_every_status_of_success_is_one() -> None:
    for status in (200, 202, 204):
        check_reply(Reply(status, {}, b""), "the report")
    for status in (199, 301, 403, 500):
        with pytest.raises(RuntimeApiRefused, match=f"success for the report, but got {status} no"):
            check_reply(Reply(status, {}, b"no\n"), "the report")
