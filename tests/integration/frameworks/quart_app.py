from collections.abc import AsyncGenerator, AsyncIterator, Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from quart import Quart, Response, abort, current_app, jsonify, redirect, request, url_for

__all__ = ["make_app"]

EXPIRES = "Wed, 21 Oct 2099 07:28:00 GMT"


def item(name: str) -> dict[str, str]:
    return {"name": name}


async def tree(rest: str) -> dict[str, str]:
    return {"rest": rest}


async def query() -> dict[str, Any]:
    return {"pairs": list(request.args.items(multi=True))}


async def form() -> dict[str, Any]:
    return {"pairs": list((await request.form).items(multi=True))}


async def upload() -> dict[str, Any]:
    file = (await request.files)["file"]
    content = file.read()
    return {
        "title": (await request.form)["title"],
        "filename": file.filename,
        "type": file.content_type,
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
    }


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
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"part {number}\n"

    return Response(parts(), content_type="text/plain; charset=utf-8")


async def gate() -> Response:
    context: Any = request.scope["aws.context"]  # type: ignore[typeddict-item]

    async def parts() -> AsyncIterator[str]:
        yield "before\n"
        await context.wait()
        yield "after\n"

    return Response(parts(), content_type="text/plain; charset=utf-8")


async def teapot() -> None:
    abort(418, "Short and stout")


async def boom() -> None:
    raise RuntimeError("boom")


def make_app(files: Path, journal: list[str]) -> Quart:
    app = Quart("shop", root_path=str(files), static_folder=str(files), static_url_path="/static")

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        journal.append("startup")
        app.config["GREETING"] = "hello"
        yield
        journal.append("shutdown")

    async def endless() -> Response:
        async def parts() -> AsyncIterator[str]:
            for number in count():
                journal.append("part")
                yield f"part {number}\n"

        return Response(parts(), content_type="text/plain; charset=utf-8")

    async def state() -> dict[str, Any]:
        return {"starts": journal.count("startup"), "greeting": current_app.config["GREETING"]}

    app.add_url_rule("/items/<name>", view_func=item)
    app.add_url_rule("/tree/<path:rest>", view_func=tree)
    app.add_url_rule("/slashed/", view_func=slashed)
    gets: list[Callable[..., Any]] = [query, seen, cookies, url, moved, stream, gate, teapot, boom, endless, state]
    for view in gets:
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    posts: list[Callable[..., Any]] = [form, upload, echo]
    for view in posts:
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["POST"])
    return app
