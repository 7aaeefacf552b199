from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Cookie, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from .views import EXPIRES, endless_parts, gated_parts, three_parts, upload_report

__all__ = ["make_app"]


def item(name: str) -> dict[str, str]:
    return {"name": name}


async def query(request: Request) -> dict[str, Any]:
    return {"pairs": request.query_params.multi_items()}


async def form(request: Request) -> dict[str, Any]:
    async with request.form() as data:
        return {"pairs": data.multi_items()}


async def upload(title: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    content = await file.read()
    return upload_report(title, file.filename, file.content_type, content)


async def echo(request: Request) -> Response:
    return Response(await request.body(), headers={"content-type": request.headers["content-type"]})


async def seen(request: Request) -> dict[str, Any]:
    assert request.client is not None
    return {"headers": sorted(request.headers.items()), "client": request.client.host, "scheme": request.url.scheme}


async def cookies(
    response: Response, a: Annotated[str | None, Cookie()] = None, b: Annotated[str | None, Cookie()] = None
) -> dict[str, Any]:
    response.set_cookie("theme", "dark", expires=EXPIRES)
    response.set_cookie("visit", "1", httponly=True)
    return {"cookies": {name: value for name, value in (("a", a), ("b", b)) if value is not None}}


async def url(request: Request) -> dict[str, str]:
    return {"url": str(request.url), "link": str(request.url_for("item", name="tea"))}


async def moved(request: Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("item", name="tea"), status_code=302)


async def slashed() -> dict[str, bool]:
    return {"slashed": True}


async def stream() -> StreamingResponse:
    return StreamingResponse(three_parts(), media_type="text/plain")


async def gate(request: Request) -> StreamingResponse:
    return StreamingResponse(gated_parts(request.scope["aws.context"]), media_type="text/plain")


async def boom() -> None:
    raise RuntimeError("boom")


def make_app(files: Path, journal: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        journal.append("startup")
        yield
        journal.append("shutdown")

    async def endless() -> StreamingResponse:
        return StreamingResponse(endless_parts(journal), media_type="text/plain")

    app = FastAPI(title="Shop", version="1", lifespan=lifespan)
    app.get("/items/{name}", name="item")(item)
    app.get("/slashed/")(slashed)
    gets: list[Callable[..., Any]] = [query, seen, cookies, url, moved]
    gets += [stream, gate, boom, endless]
    for view in gets:
        app.get(f"/{view.__name__}", response_model=None)(view)
    posts: list[Callable[..., Any]] = [form, upload, echo]
    for view in posts:
        app.post(f"/{view.__name__}", response_model=None)(view)
    app.mount("/static", StaticFiles(directory=files))
    return app
