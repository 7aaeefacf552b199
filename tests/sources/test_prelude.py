from typing import Any

import pytest

from bridge import Bridge
from bridge.errors import InvalidMessage
from bridge.sources._prelude import encode_prelude
from tests.events import load
from tests.sources.exchange import CONTEXT, JSON_RESPONSE, Answer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_prelude_has_cookies_apart_and_no_length() -> None:
    assert encode_prelude(JSON_RESPONSE["status"], JSON_RESPONSE["headers"]) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "vary": "accept, cookie"},
        "cookies": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
    }


def test_the_prelude_of_nothing_has_all_fields() -> None:
    assert encode_prelude(204, []) == {"statusCode": 204, "headers": {}, "cookies": []}


@pytest.mark.parametrize("header", [b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"content-length"])
def test_what_frames_one_connection_stays_out_of_the_prelude(header: bytes) -> None:
    assert encode_prelude(200, [(header.title(), b"x"), (b"etag", b"1")])["headers"] == {"etag": "1"}


def test_a_header_that_must_not_reach_aws_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="to have no control bytes"):
        encode_prelude(200, [(b"a", b"\r\nb: c")])


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["rest_api", "function_url"])
async def test_both_sources_that_stream_get_the_same_prelude(name: str) -> None:
    event: dict[str, Any] = load(name)
    async with (
        Bridge(Answer(**JSON_RESPONSE), lifespan="off") as handler,
        handler.stream(event, CONTEXT) as response,
    ):
        body = b"".join([part async for part in response.body])
    assert (response.prelude, body) == (encode_prelude(201, JSON_RESPONSE["headers"]), b'{"id": 7}')
