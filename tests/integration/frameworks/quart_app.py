from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from quart import Quart, Response, jsonify, redirect, request, url_for

from .views import EXPIRES, endless_parts, gated_parts, three_parts, upload_report

__all__ = ["make_app"]


def item(name: str) -> dict[str, str]:
    return {"name": name}


async def query() -> dict[str, Any]:
    return {"pairs": list(request.args.items(multi=True))}


async def form() -> dict[str, Any]:
    return {"pairs": list((await request.form).items(multi=True))}


async def upload() -> dict[str, Any]:
    file = (await request.files)["file"]
    content = file.read()
    return upload_report((await request.form)["title"], file.filename, file.content_type, content)


async def echo() -> Response:
    return Response(await request.get_data(), content_type=request.content_type)


async def seen() -> dict[str, Any]:
    # Quart adds Remote-Addr itself.
    headers = [(name.lower(), value) for name, value in request.headers.items() if name != "Remote-Addr"]
    return {"headers": sorted(headers), "client": request.remote_addr, "scheme": request.scheme}


async def cookies() -> Response:
    response = jsonify({"cookies": request.cookies})
    response.set_cookie("theme", "dark", expires=EXPIRES)
    response.set_cookie("visit", "1", httponly=True)
    return response


async def url() -> dict[str, str]:
    return {"url": request.url, "link": url_for("item", name="tea", _external=True)}


async def moved() -> Any:
    return redirect(url_for("item", name="tea", _external=True), 302)


async def slashed() -> dict[str, bool]:
    return {"slashed": True}


async def stream() -> Response:
    return Response(three_parts(), content_type="text/plain; charset=utf-8")


async def gate() -> Response:
    context: Any = request.scope["aws.context"]  # type: ignore[typeddict-item]

    return Response(gated_parts(context), content_type="text/plain; charset=utf-8")


async def boom() -> None:
    raise RuntimeError("boom")


def make_app(files: Path, journal: list[str]) -> Quart:
    app = Quart("shop", root_path=str(files), static_folder=str(files), static_url_path="/static")

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        journal.append("startup")
        yield
        journal.append("shutdown")

    async def endless() -> Response:
        return Response(endless_parts(journal), content_type="text/plain; charset=utf-8")

    app.add_url_rule("/items/<name>", view_func=item)
    app.add_url_rule("/slashed/", view_func=slashed)
    gets: list[Callable[..., Any]] = [query, seen, cookies, url, moved, stream, gate, boom, endless]
    for view in gets:
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    posts: list[Callable[..., Any]] = [form, upload, echo]
    for view in posts:
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["POST"])
    return app
