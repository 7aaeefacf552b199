"""Events that tests send to the functions of `functions/` under the emulator, and the answers that they expect."""

import json
from typing import Any

from tests.events import MISSING, load

__all__ = ["LIMIT", "PLAIN_TEXT", "STREAMS", "buffered", "request", "streamed"]

# What Lambda accepts of a result and of a stream that is collected, in bytes.
LIMIT = 6_291_556

PLAIN_TEXT = "text/plain; charset=utf-8"

STREAMS = {"AWS_LWA_INVOKE_MODE": "response_stream"}


def request(method: str, path: str, query: str = "", **overrides: Any) -> dict[str, Any]:
    """Return a Function URL's event without cookies or body."""
    blank = {"rawQueryString": query, "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def buffered(status: int, body: str, content_type: str = PLAIN_TEXT, **headers: str) -> dict[str, Any]:
    """Return the result for a Function URL whose response has these headers alone."""
    headers = {"content-length": str(len(body)), "content-type": content_type} | headers
    return {"statusCode": status, "headers": headers, "cookies": [], "body": body, "isBase64Encoded": False}


def streamed(body: bytes, status: int, headers: dict[str, str], *cookies: str) -> bytes:
    """Return a stream as the emulator hands it over: all of it verbatim."""
    prelude = json.dumps({"statusCode": status, "headers": headers, "cookies": cookies}).encode()
    return prelude + bytes(8) + body
