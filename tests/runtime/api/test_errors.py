"""The reports of errors: complete, within Lambda's limits, and made of any exception."""

import json
from typing import Any

import pytest

from bridge.runtime.api.errors import (
    MAX_CAUSE,
    MAX_DOCUMENT,
    MAX_LINE,
    MAX_MESSAGE,
    MAX_TYPE,
    encode_document,
    error_document,
    error_type_header,
    xray_cause,
)


def raised(exc: BaseException, file: str = "/var/task/app.py", depth: int = 1) -> BaseException:
    """`exc`, raised by `depth` functions of an application, in a file that is not there."""
    functions = "".join(f"def f{number}():\n    f{number + 1}()\n" for number in range(1, depth))
    namespace: dict[str, Any] = {"exc": exc}
    exec(compile(f"{functions}def f{depth}():\n    raise exc\n", file, "exec"), namespace)
    with pytest.raises(type(exc)) as caught:
        namespace["f1"]()
    return caught.value.with_traceback(caught.tb.tb_next)


def test_a_document_says_what_was_raised_and_where() -> None:
    assert error_document(raised(ValueError("no"), depth=2), request_id="id-1") == {
        "errorMessage": "no",
        "errorType": "ValueError",
        "requestId": "id-1",
        "stackTrace": [
            '  File "/var/task/app.py", line 2, in f1\n',
            '  File "/var/task/app.py", line 4, in f2\n',
        ],
    }


class Mute(Exception):
    def __str__(self) -> str:
        raise LookupError("no words")

    __repr__ = __str__


class Hostile(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise LookupError("no notes")
        return super().__getattribute__(name)


def test_an_exception_without_a_text_is_reported() -> None:
    document = error_document(raised(Mute()))
    assert document["errorMessage"] == "<Mute object whose text raises LookupError>"
    assert document["stackTrace"] == ['  File "/var/task/app.py", line 2, in f1\n']
    assert json.loads(xray_cause(Mute(), "/"))["exceptions"][0]["message"] == document["errorMessage"]


def test_an_exception_whose_stack_cannot_be_made_is_reported() -> None:
    """Python 3.13 and later put up with notes that raise; whatever else fails there, the report is made."""
    document = error_document(raised(Hostile("no")))
    assert (document["errorMessage"], document["errorType"]) == ("no", "Hostile")
    assert document["stackTrace"] in (
        ["  [The stack trace could not be made: LookupError: no notes]\n"],
        [
            '  File "/var/task/app.py", line 2, in f1\n',
            "Ignored error getting __notes__: LookupError('no notes')\n",
        ],
    )


def test_lone_surrogates_are_shown_by_their_codes() -> None:
    outer = RuntimeError("a\udc80")
    outer.__cause__ = ValueError("b\ud800")
    document = error_document(outer)
    assert document["errorMessage"] == "a\\udc80"
    assert document["stackTrace"][0] == "ValueError: b\\ud800\n"
    assert json.loads(encode_document(document)) == document


def test_a_long_message_is_cut_to_its_limit() -> None:
    for text in ("x", "\u00e9", "\x00", '"', "\U0001f600"):
        message = error_document(ValueError(text * 1_000_000))["errorMessage"]
        kept, note = message.split(" ", 1)
        assert note == "[... 1000000 characters in all]"
        assert kept == text * len(kept)
        assert MAX_MESSAGE - 6 < len(encode_document(message)) <= MAX_MESSAGE


def test_a_message_at_its_limit_is_whole() -> None:
    whole = "x" * (MAX_MESSAGE - len('""'))
    assert error_document(ValueError(whole))["errorMessage"] == whole
    assert error_document(ValueError(whole + "x"))["errorMessage"].endswith("characters in all]")


def test_a_long_type_is_cut_to_its_limit() -> None:
    made = type("E" * 100_000, (Exception,), {})
    kind = error_document(made())["errorType"]
    assert kind.endswith("E [... 100000 characters in all]")
    assert len(encode_document(kind)) == MAX_TYPE


def test_the_long_message_of_a_cause_is_cut_and_remains_a_line() -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = ValueError("x" * 1_000_000)
    line = error_document(outer)["stackTrace"][0]
    assert line.startswith("ValueError: xxx")
    assert line.endswith("x [... 1000013 characters in all]\n")
    assert len(encode_document(line)) == MAX_LINE


def chain(length: int, message: str) -> BaseException:
    exc: BaseException = RuntimeError("the last")
    first = exc
    for number in range(length):
        exc.__cause__ = ValueError(f"{number} {message}")
        exc = exc.__cause__
    return first


def test_a_long_stack_loses_its_middle() -> None:
    document = error_document(raised(chain(1000, "x" * 1000)))
    assert MAX_DOCUMENT - 2000 < len(encode_document(document)) <= MAX_DOCUMENT
    trace = document["stackTrace"]
    (position,) = [number for number, line in enumerate(trace) if line.startswith("  [")]
    lines = 2 * 1000 + 2  # a message and a link for each cause; and the frame, with a header
    missing = lines - (len(trace) - 1)
    assert trace[position] == (
        f"  [{missing} of {lines} lines are left out here: Lambda takes reports of up to 256 KiB]\n"
    )
    assert abs(position - len(trace) / 2) <= 2
    assert trace[0].startswith("ValueError: 999 xxx")
    assert trace[-1] == '  File "/var/task/app.py", line 2, in f1\n'


def test_the_type_in_a_header_is_one_that_lambda_accepts() -> None:
    named: list[tuple[BaseException | str, str]] = [
        (ValueError("no"), "Function.ValueError"),
        (Mute(), "Function.Mute"),
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.ResponseSizeTooLarge", "Function.ResponseSizeTooLarge"),
        ("KeyError", "Function.KeyError"),
        (type("Fehler\u00fc\r\n", (Exception,), {})(), "Function.Unknown"),
    ]
    unknown = ["HTTP404", "_Private", "lower", "E", "Runtime.lower", "Runtime.", "Sandbox.Timedout", "module.Error"]
    unknown += ["Fehler\u00fc", "Error\r\nX-Header: 1", "ValueError\n", ""]
    for error, expected in (*named, *((name, "Function.Unknown") for name in unknown)):
        assert error_type_header(error) == expected


def test_a_cause_for_xray_fits_into_a_header_line() -> None:
    cause = xray_cause(raised(ValueError("caf\u00e9\r\n\x7f\udc80\U0001f600"), file="/\u00e9.py"), "/\udc80")
    assert all(0x20 <= byte < 0x7F for byte in cause)
    report = json.loads(cause)
    assert report["exceptions"][0]["message"] == "caf\u00e9\r\n\x7f\\udc80\U0001f600"
    assert (report["paths"], report["working_directory"]) == (["/\u00e9.py"], "/\\udc80")


def test_a_cause_for_xray_that_is_too_long_for_a_header_is_empty() -> None:
    path = "/" + "x" * 20_000 + ".py"
    assert len(xray_cause(raised(ValueError("no"), file=path, depth=40), "/")) > MAX_CAUSE // 2
    assert xray_cause(raised(ValueError("no"), file=path, depth=60), "/") == b""
