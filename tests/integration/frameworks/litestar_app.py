from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State, UploadFile
from litestar.response import Redirect, Stream
from litestar.static_files import create_static_files_router

from .views import EXPIRES, endless_parts, gated_parts, three_parts, upload_report

__all__ = ["make_app"]

AnyRequest = Request[Any, Any, State]


@get("/items/{item_name:str}", name="item", sync_to_thread=True)
def item(request: AnyRequest) -> dict[str, str]:
    return {"name": request.path_params["item_name"]}


@get("/query")
async def show_query(request: AnyRequest) -> dict[str, Any]:
    return {"pairs": list(request.query_params.items())}


@post("/form", status_code=200)
async def form(request: AnyRequest) -> dict[str, Any]:
    return {"pairs": list((await request.form()).items())}


@post("/upload", status_code=200)
async def upload(request: AnyRequest) -> dict[str, Any]:
    data = await request.form()
    file = data["file"]
    assert isinstance(file, UploadFile)
    content = await file.read()
    return upload_report(data["title"], file.filename, file.content_type, content)


@post("/echo", status_code=200)
async def echo(request: AnyRequest) -> Response[bytes]:
    return Response(await request.body(), headers={"content-type": request.headers["content-type"]})


@get("/seen")
async def seen(request: AnyRequest) -> dict[str, Any]:
    assert request.client is not None
    return {"headers": sorted(request.headers.items()), "client": request.client.host, "scheme": request.url.scheme}


@get("/cookies")
async def show_cookies(request: AnyRequest) -> Response[Any]:
    response: Response[Any] = Response({"cookies": request.cookies})
    # Seconds from now for Litestar, but a date that never changes for these tests; the standard library takes both.
    response.set_cookie("theme", "dark", expires=EXPIRES)  # type: ignore[call-overload]
    response.set_cookie("visit", "1", httponly=True)
    return response


@get("/url")
async def url(request: AnyRequest) -> dict[str, str]:
    return {"url": str(request.url), "link": request.url_for("item", item_name="tea")}


@get("/moved", status_code=302)
async def moved(request: AnyRequest) -> Redirect:
    return Redirect(request.url_for("item", item_name="tea"))


@get("/slashed/")
async def slashed() -> dict[str, bool]:
    return {"slashed": True}


@get("/stream")
async def stream() -> Stream:
    return Stream(three_parts(), media_type=MediaType.TEXT)


@get("/gate")
async def gate(request: AnyRequest) -> Stream:
    context: Any = request.scope["aws.context"]  # type: ignore[typeddict-item]
    return Stream(gated_parts(context), media_type=MediaType.TEXT)


@get("/boom")
async def boom() -> None:
    raise RuntimeError("boom")


def make_app(files: Path, journal: list[str]) -> Litestar:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        journal.append("startup")
        yield
        journal.append("shutdown")

    @get("/endless")
    async def endless() -> Stream:
        return Stream(endless_parts(journal), media_type=MediaType.TEXT)

    views = [item, show_query, form, upload, echo, seen, show_cookies, url, moved, slashed, stream, gate]
    return Litestar(
        route_handlers=[
            *views,
            boom,
            endless,
            create_static_files_router(path="/static", directories=[files]),
        ],
        lifespan=[lifespan],
        logging_config=None,
    )
