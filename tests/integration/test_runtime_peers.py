"""Log, context and error reports equal those of AWS's own runtime client, except what is listed here as better."""

import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.errors import ContextNotDecoded
from bridge.init_phase import Runtime
from bridge.invocation import request_id, tenant_id
from bridge.runtime.api.errors import error_document, xray_cause
from bridge.runtime.context import Function, LambdaContext, parse_client_context, parse_identity
from tests.integration.awslambdaric_peer import failure_of, log_of, make_context, report_error, result_of
from tests.runtime.frames import Frame, Pipe, parse_frames
from tests.runtime.log_setups import LogSetUps, handle


@pytest.fixture
def set_up() -> Iterator[LogSetUps]:
    made = LogSetUps()
    yield made
    made.end()


def raise_error() -> None:
    raise LookupError("no such page")


def exc_info() -> Any:
    try:
        raise_error()
    except LookupError as exc:
        return (type(exc), exc, exc.__traceback__)


# Results.


@pytest.mark.parametrize("python", ["", "python3.11", "python3.12", "python3.13", "python3.14"])
def test_the_size_of_a_result_is_known_before_it_is_posted(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_EXECUTION_ENV", python and f"AWS_Lambda_{python}")
    text = "".join(map(chr, [*range(0x300), *range(0x2000, 0x2100), 0xFEFF, 0xFFFD, 0x1F600, 0x10FFFF]))
    for result in ({"statusCode": 200, "headers": {"a": text}, "cookies": [text, ""], "isBase64Encoded": False}, text):
        assert Runtime().result_size(result) == len(result_of(result))


# The log.

RECORDS: list[dict[str, Any]] = [
    {},
    {"msg": "%s and %d", "args": ("one", 2)},
    {"msg": "%(a)s", "args": {"a": 1}},
    {"msg": "caf\u00e9 \U0001f600 \u2028 \x7f"},
    {"msg": "one\ntwo\r\n"},
    {"msg": None},
    {"msg": {"order": 7, "at": {1}, "nothing": None}},
    {"msg": {"order": "%d"}, "args": (7,)},
    {"order": 7, "items": [1, {"a": None}], "set": {1}, "nothing": None, "bytes": b"x"},
    {"logger": "mine", "timestamp": "mine"},
    {"level": logging.ERROR, "exc_info": exc_info()},
    {"level": logging.ERROR, "exc_info": (ValueError, ValueError("no"), None)},
    *({"level": level, "levelname": logging.getLevelName(level)} for level in (1, 9, 10, 19, 20, 25, 30, 40, 50, 60)),
]
LAYOUTS = [
    {"log_format": "TEXT", "log_level": ""},
    {"log_format": "TEXT", "log_level": "DEBUG"},
    {"log_format": "JSON", "log_level": ""},
    {"log_format": "json", "log_level": "INFO"},
]


def read(frame: Frame, layout: dict[str, str]) -> object:
    """JSON may have its fields in any order."""
    kind, message = frame
    if layout["log_format"].upper() == "JSON":
        assert message.endswith("\n")
        return kind.hex(), json.loads(message)
    return kind.hex(), message


@pytest.mark.parametrize("ids", [("", ""), ("id-1", "blue")], ids=["no invocation", "invocation"])
def test_a_record_makes_the_same_frame(
    monkeypatch: pytest.MonkeyPatch, set_up: LogSetUps, ids: tuple[str, str]
) -> None:
    differences = []
    for fields, layout in itertools.product(RECORDS, LAYOUTS):
        ours = set_up.framed(**layout)
        tokens = request_id.set(ids[0]), tenant_id.set(ids[1])
        handle(**fields)
        request_id.reset(tokens[0])
        tenant_id.reset(tokens[1])
        (our_frame,) = ours.read()
        pipe = Pipe()
        with log_of(monkeypatch, telemetry_fd=pipe.writer, request_id=ids[0], tenant_id=ids[1], **layout):
            handle(**fields)
        (their_frame,) = parse_frames(pipe.read_to_end())
        pipe.close_reader()
        if read(our_frame, layout) != read(their_frame, layout):
            differences.append((fields, layout, our_frame, their_frame))
    assert differences == []


def test_a_record_makes_the_same_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], set_up: LogSetUps
) -> None:
    """awslambdaric lets the next record go on in the last line of a traceback; here that ends like any other."""
    differences = []
    for fields, layout in itertools.product(RECORDS, LAYOUTS):
        output = set_up(**layout)
        handle(**fields)
        output.close()
        ours = capsys.readouterr().out
        with log_of(monkeypatch, telemetry_fd=None, **layout):
            handle(**fields)
        theirs = capsys.readouterr().out
        theirs += "" if theirs.endswith("\n") else "\n"
        if read((b"", ours), layout) != read((b"", theirs), layout):
            differences.append((fields, layout, ours, theirs))
    assert differences == []


def test_a_level_is_set_alike(monkeypatch: pytest.MonkeyPatch, set_up: LogSetUps) -> None:
    from awslambdaric.lambda_runtime_log_utils import _get_log_level_from_env_var  # type: ignore[import-untyped]

    root = logging.getLogger()
    for name in ("", "TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "LOUD"):
        root.setLevel(35)
        set_up(log_level=name)
        ours = root.level
        root.setLevel(35)
        layout = {"log_format": "", "log_level": _get_log_level_from_env_var(name)}
        with log_of(monkeypatch, telemetry_fd=None, **layout):
            assert (name, ours) == (name, root.level)


# Errors.


def document(message: str, error_type: str = "Error", stack: list[str] | None = None) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": error_type, "requestId": "id-1", "stackTrace": stack or []}


DOCUMENTS = [
    document(
        "no such page",
        "LookupError",
        ['  File "app.py", line 1, in f\n    raise  LookupError\n', "", "\n", "one\n  two\n"],
    ),
    document("caf\u00e9"),
    document("no", ""),
    document(""),
    document("", ""),
    document(" no "),
]


@pytest.mark.parametrize("log_format", ["TEXT", "JSON"])
def test_an_error_is_logged_alike(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], set_up: LogSetUps, log_format: str
) -> None:
    for error in DOCUMENTS:
        log = set_up.framed(log_format=log_format)
        log.output.report(error)
        (our_frame,) = log.read()
        set_up(log_format=log_format).report(error)
        our_line = capsys.readouterr().out
        pipe = Pipe()
        report_error(monkeypatch, error, log_format=log_format, telemetry_fd=pipe.writer)
        (their_frame,) = parse_frames(pipe.read_to_end())
        pipe.close_reader()
        report_error(monkeypatch, error, log_format=log_format, telemetry_fd=None)
        their_line = capsys.readouterr().out
        assert our_frame[0] == their_frame[0]
        for ours, theirs in ((our_frame[1], their_frame[1]), (our_line, their_line)):
            if log_format == "TEXT":
                assert ours == theirs
            else:
                assert ours.endswith("\n") == theirs.endswith("\n")
                assert without_time(ours) == without_time(theirs)


def without_time(line: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    assert len(fields.pop("timestamp")) == len("2026-01-01T00:00:00Z")
    return fields


def test_the_message_of_an_error_stays_in_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], set_up: LogSetUps
) -> None:
    """awslambdaric would let a message that is a client's own text begin a line of its own in the log."""
    error = document("one\n[INFO] two")
    set_up().report(error)
    ours = capsys.readouterr().out
    report_error(monkeypatch, error, log_format="TEXT", telemetry_fd=None)
    theirs = capsys.readouterr().out
    assert (ours.count("\n"), theirs.count("\n")) == (1, 2)
    assert ours == theirs.replace("\n", "\r", 1)


def raise_deep(depth: int = 10) -> None:
    if depth:
        raise_deep(depth - 1)
    raise ValueError("one\ntwo")


def raise_in_the_library() -> None:
    json.loads("{")


def raise_without_message() -> None:
    raise KeyError


def raise_text() -> None:
    raise RuntimeError("caf\u00e9 \U0001f600 \x00")


def raise_from_none() -> None:
    try:
        raise_error()
    except LookupError:
        raise RuntimeError("hidden") from None


HANDLERS = (raise_error, raise_deep, raise_in_the_library, raise_without_message, raise_text, raise_from_none)


@pytest.mark.parametrize("handler", HANDLERS, ids=[handler.__name__ for handler in HANDLERS])
def test_an_error_is_reported_alike(handler: Callable[[], None]) -> None:
    error, cause = map(json.loads, failure_of(handler))
    with pytest.raises(Exception, match=r"^") as caught:
        handler()
    exc = caught.value.with_traceback(caught.tb.tb_next)
    # Between awslambdaric and the handler is a function that takes the event.
    assert error["stackTrace"].pop(0).endswith("lambda event, context: handler(),\n")
    wrapper = cause["exceptions"][0]["stack"].pop(0)
    cause["paths"].remove(wrapper["path"])
    assert error_document(exc, request_id="id-1") == error
    ours = json.loads(xray_cause(exc, os.getcwd()))
    assert sorted(ours.pop("paths")) == sorted(cause.pop("paths"))
    assert ours == cause


# The context.

ENVIRON = {
    "AWS_LAMBDA_FUNCTION_NAME": "shop",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/[7]1",
}
FUNCTION = Function(
    name="shop",
    version="7",
    memory_limit_in_mb="128",
    log_group_name="/aws/lambda/shop",
    log_stream_name="2026/[7]1",
)


def our_context(client_context: str | None, identity: str | None, **fields: Any) -> LambdaContext:
    options: dict[str, Any] = {"deadline_ms": 1, "tenant_id": None, "function": FUNCTION} | fields
    return LambdaContext(
        aws_request_id="id-1",
        invoked_function_arn="arn",
        client_context=parse_client_context(client_context),
        identity=parse_identity(identity),
        **options,
    )


@pytest.fixture
def _environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def attributes(value: object) -> dict[str, object]:
    """Return the public attributes of an object, and of the runtimes' own objects in them."""
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    return {name: _attribute(getattr(value, name)) for name in names if name not in ("_w3c_fields", "_w3c")}


def _attribute(value: object) -> object:
    is_a_runtimes = type(value).__module__ in ("awslambdaric.lambda_context", "bridge.runtime.context")
    return (type(value).__name__, attributes(value)) if is_a_runtimes else value


CLIENT = '{"installation_id": "i", "app_title": "Shop", "app_version_name": "1", "other": 1}'

CLIENT_CONTEXTS = [
    *(None, "", "null", "{}"),
    f'{{"client": {CLIENT}, "custom": {{"a": [1]}}, "env": {{"locale": "de"}}, "services": {{}}}}',
    '{"client": null, "custom": null, "env": null}',
    '{"client": {}}',
    '{"client": {"app_title": [1]}, "custom": "text", "env": [1, 2]}',
    '{"w3c": {"traceparent": "00-a", "tracestate": "", "baggage": "k=v", "cookie": "x"}, "custom": {}}',
    '{"w3c": {"traceparent": 1, "tracestate": null, "baggage": ["k"]}}',
    '{"w3c": "traceparent"}',
    '{"custom": NaN}',
    '{"custom": 1, "custom": 2}',
    *("[1]", '"client"', "1", "0", "false", "[]"),
    *('{"client": [1]}', '{"client": "Shop"}', '{"client": 0}'),
    *("{", "  "),
]
IDENTITIES = [
    *(None, "", "null", "{}"),
    '{"cognitoIdentityId": "me", "cognitoIdentityPoolId": "pool", "more": 1}',
    '{"cognitoIdentityId": "me"}',
    '{"cognitoIdentityId": {"a": 1}, "cognitoIdentityPoolId": 0}',
    *("[]", '"me"', "false", "me"),
]


@pytest.mark.usefixtures("_environ")
def test_a_context_is_the_same_or_both_refuse_the_headers() -> None:
    headers = [(value, None) for value in CLIENT_CONTEXTS] + [(None, value) for value in IDENTITIES]
    for client_context, identity in headers:
        try:
            theirs = make_context(client_context, identity, deadline_ms=1, tenant_id="blue")
        except Exception:
            with pytest.raises(ContextNotDecoded):
                our_context(client_context, identity, tenant_id="blue")
            continue
        ours = our_context(client_context, identity, tenant_id="blue")
        # NaN is not equal to itself.
        assert repr(attributes(ours)) == repr({name: attributes(theirs)[name] for name in attributes(ours)})
        assert attributes(ours).keys() == attributes(theirs).keys()
        assert repr(ours) == repr(theirs)
        assert ours.w3c() == theirs.w3c()


def test_a_context_has_every_attribute_and_method_of_theirs_also_where_nothing_is_known() -> None:
    theirs, ours = make_context(None, None, deadline_ms=1, tenant_id=None), our_context(None, None, function=Function())
    assert repr(ours) == repr(theirs)
    assert {name for name in dir(theirs) if not name.startswith("_")} <= set(dir(ours))


@pytest.mark.parametrize("log_format", ["TEXT", "JSON"])
def test_a_message_of_the_context_goes_into_either_log(
    monkeypatch: pytest.MonkeyPatch, set_up: LogSetUps, log_format: str
) -> None:
    contexts = [our_context(None, None), make_context(None, None, deadline_ms=1, tenant_id=None)]
    expected = [(bytes.fromhex("a55a0003"), "{'a': 1}")] * 2
    pipe = Pipe()
    with log_of(monkeypatch, telemetry_fd=pipe.writer, log_format=log_format, log_level=""):
        for context in contexts:
            context.log({"a": 1})
    assert parse_frames(pipe.read_to_end()) == expected
    pipe.close_reader()
    log = set_up.framed(log_format=log_format)
    for context in contexts:
        context.log({"a": 1})
    assert log.read() == expected
