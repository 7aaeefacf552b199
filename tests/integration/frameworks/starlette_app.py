from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TypedDict

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["make_app"]

EXPIRES = "Wed, 21 Oct 2099 07:28:00 GMT"


class State(TypedDict):
    greeting: str


def item(request: Request) -> Response:
    return JSONResponse({"name": request.path_params["name"]})


async def tree(request: Request) -> Response:
    return JSONResponse({"rest": request.path_params["rest"]})


async def query(request: Request) -> Response:
    return JSONResponse({"pairs": request.query_params.multi_items()})


async def form(request: Request) -> Response:
    async with request.form() as data:
        return JSONResponse({"pairs": data.multi_items()})


async def upload(request: Request) -> Response:
    async with request.form() as data:
        file = data["file"]
        assert isinstance(file, UploadFile)
        content = await file.read()
        return JSONResponse(
            {
                "title": data["title"],
                "filename": file.filename,
                "type": file.content_type,
                "size": len(content),
                "sha256": sha256(content).hexdigest(),
            }
        )


async def echo(request: Request) -> Response:
    return Response(await request.body(), headers={"content-type": request.headers["content-type"]})


async def seen(request: Request) -> Response:
    assert request.client is not None
    return JSONResponse(
        {"headers": sorted(request.headers.items()), "client": request.client.host, "scheme": request.url.scheme}
    )


async def cookies(request: Request) -> Response:
    response = JSONResponse({"cookies": request.cookies})
    response.set_cookie("theme", "dark", expires=EXPIRES)
    response.set_cookie("visit", "1", httponly=True)
    return response


async def url(request: Request) -> Response:
    return JSONResponse({"url": str(request.url), "link": str(request.url_for("item", name="tea"))})


async def moved(request: Request) -> Response:
    return RedirectResponse(request.url_for("item", name="tea"), status_code=302)


async def slashed(_: Request) -> Response:
    return JSONResponse({"slashed": True})


async def stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"part {number}\n"

    return StreamingResponse(parts(), media_type="text/plain")


async def gate(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "before\n"
        await request.scope["aws.context"].wait()
        yield "after\n"

    return StreamingResponse(parts(), media_type="text/plain")


async def teapot(_: Request) -> Response:
    raise HTTPException(418, "Short and stout", headers={"x-handle": "here"})


async def boom(_: Request) -> Response:
    raise RuntimeError("boom")


def make_app(files: Path, journal: list[str]) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        journal.append("startup")
        yield {"greeting": "hello"}
        journal.append("shutdown")

    async def endless(_: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            for number in count():
                journal.append("part")
                yield f"part {number}\n"

        return StreamingResponse(parts(), media_type="text/plain")

    async def state(request: Request) -> Response:
        return JSONResponse({"starts": journal.count("startup"), "greeting": request.state.greeting})

    async def later(_: Request) -> Response:
        return JSONResponse({}, status_code=202, background=BackgroundTask(journal.append, "background"))

    return Starlette(
        routes=[
            Route("/items/{name}", item, name="item"),
            Route("/tree/{rest:path}", tree),
            Route("/query", query),
            Route("/form", form, methods=["POST"]),
            Route("/upload", upload, methods=["POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/seen", seen),
            Route("/cookies", cookies),
            Route("/url", url),
            Route("/moved", moved),
            Route("/slashed/", slashed),
            Route("/stream", stream),
            Route("/gate", gate),
            Route("/endless", endless),
            Route("/teapot", teapot),
            Route("/boom", boom),
            Route("/state", state),
            Route("/later", later, methods=["POST"]),
            Mount("/static", StaticFiles(directory=files)),
        ],
        lifespan=lifespan,
    )
