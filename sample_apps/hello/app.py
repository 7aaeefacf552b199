"""Hello: a Starlette application that answers every service that can invoke a Lambda function."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from html import escape
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bridge import Bridge

# One orange pixel.
PICTURE = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4P5MBAAQzAZni4lchAAAAAElFTkSuQmCC")


async def home(request: Request) -> HTMLResponse:
    """Return a page. Its links work under an API stage too: `url_for` knows where the application is mounted."""
    name = unquote(request.cookies.get("name", "stranger"))
    urls = {
        "Show what you send": request.url_for("echo", path="anything"),
        "Remember me as Ada": request.url_for("remember", name="Ada"),
        "Count down": request.url_for("countdown"),
    }
    links = "".join(f'<li><a href="{escape(str(url))}">{text}</a></li>' for text, url in urls.items())
    return HTMLResponse(f"<!doctype html><title>Hello</title><h1>Hello, {escape(name)}!</h1><ul>{links}</ul>")


async def echo(request: Request) -> JSONResponse:
    """Return the request as it arrived here."""
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.scope["path"],
            "root_path": request.scope["root_path"],
            "query": request.query_params.multi_items(),
            "headers": request.headers.items(),
            "body": body.decode("utf-8", "replace"),
        }
    )


async def remember(request: Request) -> RedirectResponse:
    """Set a cookie, and redirect to the page that reads it."""
    response = RedirectResponse(request.url_for("home"), status_code=303)
    # Quoted, because a cookie holds few characters beyond letters and digits.
    response.set_cookie("name", quote(request.path_params["name"]), httponly=True)
    return response


async def picture(request: Request) -> Response:
    """Return bytes that are not text: a Lambda result can carry them only in base64."""
    return Response(PICTURE, media_type="image/png")


async def countdown(request: Request) -> StreamingResponse:
    """Send a response in parts."""
    return StreamingResponse(_count(3), media_type="text/plain")


async def _count(start: int) -> AsyncIterator[str]:
    for number in range(start, 0, -1):
        yield f"{number}\n"
        await asyncio.sleep(0.3)
    yield "Hello, world!\n"


app = Starlette(
    routes=[
        Route("/", home),
        Route("/echo/{path:path}", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route("/remember/{name}", remember),
        Route("/picture", picture),
        Route("/countdown", countdown),
    ]
)
handler = Bridge(app)  # last: awslambdaric starts the application here
