"""A FastAPI application that is a client of another service, too: it imports httpx itself."""

import sys

# uvicorn needs click, a function does not: as in a function without it, httpx must not find it for its command line.
sys.modules["click"] = None  # type: ignore[assignment]

import httpx  # noqa: E402
from fastapi import FastAPI  # noqa: E402

app = FastAPI()
client = httpx.AsyncClient(verify=False)


@app.get("/small")
async def small() -> dict[str, str]:
    return {"hello": "world"}
