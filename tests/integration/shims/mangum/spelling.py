"""What Mangum and `Bridge` spell differently, and mean alike: this is translated, so that the tests compare the rest.

docs/peer-suites.md has the list, with the reasons.
"""

import json
from collections.abc import Iterable
from typing import Any

from .types import ASGI, LambdaEvent, Message, Receive, Scope, Send

__all__ = ["application_of", "as_json", "result_of", "scope_of"]


def as_json(event: LambdaEvent) -> Any:
    """Return the event as Lambda delivers it. Some tests have bytes as its body, which JSON lacks."""
    return json.loads(json.dumps(event, default=bytes.decode))


def scope_of(scope: Scope, event: LambdaEvent) -> dict[str, Any]:
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert isinstance(scope["raw_path"], bytes)
    return {
        **scope,
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "raw_path": None,
        "client": scope["client"] or (None, 0),
        "headers": _joined(scope["headers"], event),
        "aws.event": event,
    }


def _joined(pairs: Iterable[tuple[bytes, bytes]], event: LambdaEvent) -> list[list[bytes]]:
    """Join the values of a name, and leave out the content-length that the event lacks, but not its connection."""
    joined: dict[bytes, bytes] = {}
    for name, value in pairs:
        joined[name] = joined[name] + b", " + value if name in joined else value
    if "content-length" not in json.dumps(event, default=bytes.decode).lower():
        joined.pop(b"content-length", None)
    sent = event.get("multiValueHeaders") or event.get("headers") or {}
    if "connection" in sent:
        joined[b"connection"] = "".join(sent["connection"]).encode()  # a string, or a list of one
        joined = {name.encode(): joined[name.encode()] for name in sent}  # in their order
    return [[name, value] for name, value in joined.items()]


def application_of(app: ASGI, event: LambdaEvent, exclude_headers: Iterable[str]) -> ASGI:
    """Return `app` in a middleware that shows it Mangum's scope, and removes the excluded headers."""
    excluded = {name.encode() for name in exclude_headers}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if excluded and message["type"] == "http.response.start":
                pairs = message.get("headers", ())
                message = {**message, "headers": [pair for pair in pairs if pair[0].lower() not in excluded]}
            await send(message)

        await app(scope_of(scope, event) if scope["type"] == "http" else scope, receive, send_without)

    return application


def result_of(result: Any) -> Any:
    """Return the result with Mangum's fields. A custom handler's result is left as it is."""
    if "status" in result:
        return _edge_result(result)
    if "statusDescription" in result:
        assert result["statusDescription"].startswith(str(result["statusCode"]))
        return {name: value for name, value in result.items() if name != "statusDescription"}
    if "cookies" in result:
        return {name: value for name, value in result.items() if name != "cookies" or value}
    return _payload_v1_result(result) if "multiValueHeaders" in result else result


def _edge_result(result: Any) -> dict[str, Any]:
    """Lambda@Edge knows no isBase64Encoded, and documents the status as a string."""
    words = {"text": False, "base64": True}
    return {
        "status": int(result["status"]),
        "headers": result["headers"],
        "isBase64Encoded": words[result["bodyEncoding"]],
        "body": result["body"],
    }


def _payload_v1_result(result: Any) -> dict[str, Any]:
    """`Bridge` puts all headers into multiValueHeaders, Mangum the repeated ones alone."""
    values = result["multiValueHeaders"]
    return {
        **result,
        "headers": {name: found[0] for name, found in values.items() if len(found) == 1},
        "multiValueHeaders": {name: found for name, found in values.items() if len(found) > 1},
    }
