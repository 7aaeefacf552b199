"""A FastAPI application, the same for every runtime."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/small")
async def small() -> dict[str, str]:
    return {"hello": "world"}
