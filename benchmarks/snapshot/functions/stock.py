"""The control: an httpx client with its pool, as httpx makes it."""

from typing import Any

import httpx

from benchmarks.snapshot.functions.services import ORIGIN

client = httpx.AsyncClient()


async def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    response = await client.request(event["requestContext"]["http"]["method"], ORIGIN)
    return {"statusCode": response.status_code, "body": response.text}
