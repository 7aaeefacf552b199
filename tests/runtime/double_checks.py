"""The rules for a runtime's answers: pure functions over headers and bodies that return lists of complaints.

The rules are those of AWS's Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) and of its
response streaming (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming),
with the limits that Lambda itself applies.
"""

import base64
import json
from collections.abc import Mapping

__all__ = [
    "DELIMITER",
    "ERROR_BODY",
    "ERROR_TYPE",
    "HTTP_INTEGRATION",
    "INVOCATION_ID",
    "PAYLOAD_LIMIT",
    "RESPONSE_MODE",
    "check_buffered",
    "check_error",
    "check_error_type",
    "check_invocation_id",
    "check_prelude",
    "check_stream_head",
    "check_trailers",
]

Headers = Mapping[str, str]  # names in lower case; repeated values are joined by commas

# 6 MiB and 100 bytes: the largest buffered result that Lambda takes.
PAYLOAD_LIMIT = 6_291_556

# Lambda looks for the end of a prelude in as many bytes and no further.
PRELUDE_LIMIT = 16 * 1024

DELIMITER = bytes(8)

HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"

ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"
INVOCATION_ID = "lambda-runtime-invocation-id"
RESPONSE_MODE = "lambda-runtime-function-response-mode"

_PRELUDE_KEYS = {"statusCode", "headers", "multiValueHeaders", "cookies"}


def check_invocation_id(headers: Headers, expected: str | None) -> list[str]:
    """Check that the id is returned unchanged, and only if there was one."""
    if (given := headers.get(INVOCATION_ID)) == expected:
        return []
    return [f"its Lambda-Runtime-Invocation-Id is {given!r}, expected {expected!r}"]


def check_stream_head(headers: Headers) -> list[str]:
    """Check the headers of a streamed response; a mode other than `streaming` is checked elsewhere."""
    complaints = []
    if (coding := headers.get("transfer-encoding", "").lower()) != "chunked":
        complaints.append(f"it streams with Transfer-Encoding {coding!r}, expected 'chunked'")
    if missing := {ERROR_TYPE, ERROR_BODY} - _announced(headers):
        complaints.append(f"its Trailer header does not announce {', '.join(sorted(missing))}")
    if not headers.get("content-type"):
        complaints.append("it streams without Content-Type")
    return complaints


def check_prelude(body: bytes) -> list[str]:
    """Check the prelude of a body: a JSON object with the status, and 8 NUL bytes, within 16 KiB."""
    start = body.find(b"\0")
    if start < 0:
        return [f"its prelude does not end: no NUL byte in {len(body)} bytes"]
    if body[start : start + 8] != DELIMITER:
        return [f"its prelude ends with {body[start : start + 8]!r}, expected 8 NUL bytes"]
    if start + 8 > PRELUDE_LIMIT:
        return [f"its prelude ends at {start + 8} bytes, the limit is {PRELUDE_LIMIT}"]
    try:
        prelude = json.loads(body[:start])
    except ValueError as exc:
        return [f"its prelude is not JSON ({exc}): {body[:start][:200]!r}"]
    if not isinstance(prelude, dict) or type(prelude.get("statusCode")) is not int or prelude.keys() - _PRELUDE_KEYS:
        return [f"its prelude is not one that Lambda knows: {body[:start][:200]!r}"]
    return []


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def check_buffered(headers: Headers, body: bytes) -> list[str]:
    """Check a result in one piece: JSON, unless its Content-Type is another one."""
    complaints = []
    content_type = headers.get("content-type", "application/json")
    if content_type == HTTP_INTEGRATION:
        complaints.append(f"it has the Content-Type {HTTP_INTEGRATION} but does not stream")
    elif content_type == "application/json":
        complaints += _check_json(body)
    if len(body) > PAYLOAD_LIMIT:
        complaints.append(f"it has {len(body)} bytes, the limit is {PAYLOAD_LIMIT}")
    return complaints


def _check_json(body: bytes) -> list[str]:
    try:
        json.loads(body, parse_constant=_refuse_constant)
    except ValueError as exc:
        return [f"it is not JSON ({exc}): {body[:200]!r}"]
    return []


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_error(body: bytes) -> list[str]:
    """Check the document of an error, of an invocation or of the init phase."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except ValueError as exc:
        return [f"its error is not JSON ({exc}): {body[:200]!r}"]
    if not isinstance(document, dict):
        return [f"its error is not an object: {body[:200]!r}"]
    complaints = [
        f"its error has the {name} {document.get(name)!r}, expected a string"
        for name in ("errorMessage", "errorType")
        if not isinstance(document.get(name), str)
    ]
    if not _is_list_of(str, document.get("stackTrace")):
        complaints.append(f"its error has the stackTrace {document.get('stackTrace')!r}, expected a list of strings")
    return complaints


def check_error_type(headers: Headers) -> list[str]:
    """Check the type in a header, which init/error and restore/error need too."""
    return [] if headers.get(ERROR_TYPE) else ["it has no Lambda-Runtime-Function-Error-Type"]


def check_trailers(headers: Headers, trailers: Headers) -> list[str]:
    """Check the trailers of a streamed body: none, or both error trailers, all of them announced."""
    complaints = [f"its trailer {name} was not announced" for name in sorted(trailers.keys() - _announced(headers))]
    if (ERROR_TYPE in trailers) != (ERROR_BODY in trailers):
        complaints.append(f"it has one error trailer without the other: {', '.join(trailers)}")
    if ERROR_TYPE in trailers and not trailers[ERROR_TYPE]:
        complaints.append("its error trailer names no type")
    if ERROR_BODY in trailers:
        try:
            document = base64.b64decode(trailers[ERROR_BODY], validate=True)
        except ValueError as exc:
            complaints.append(f"the body in its error trailer is not base64 ({exc})")
        else:
            complaints += check_error(document)
    return complaints


def _announced(headers: Headers) -> set[str]:
    return {name.strip().lower() for name in headers.get("trailer", "").split(",") if name.strip()}
