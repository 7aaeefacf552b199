"""The head of a streamed response, which goes ahead of the body as JSON.

https://docs.aws.amazon.com/lambda/latest/dg/response-streaming.html; Function URLs and REST APIs read the same keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.sources._response import checked_headers, joined

if TYPE_CHECKING:
    from bridge._types import HeaderPairs, Result

__all__ = ["encode_prelude"]


def encode_prelude(status_code: int, headers: HeaderPairs) -> Result:
    """statusCode, headers, cookies. No content-length: AWS frames the stream, and a length that is off breaks it.

    Raises InvalidMessage for a header that must not reach AWS.
    """
    pairs = [pair for pair in checked_headers(headers) if pair[0] != "content-length"]
    values, cookies = joined(pairs, dict(pairs))
    return {"statusCode": status_code, "headers": values, "cookies": cookies}
