"""A FastAPI application, unchanged for whoever runs it."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/small")
async def small() -> dict[str, str]:
    return {"hello": "world"}
