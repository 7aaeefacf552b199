"""An application with Starlette's middleware, in the order of its documentation."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

__all__ = ["LONG_TEXT", "make_app"]

LONG_TEXT = "Grüße, 茶! " * 500


class Stamp(BaseHTTPMiddleware):
    """Reads the body before the view does, and adds to the response."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.size = len(await request.body())
        response = await call_next(request)
        response.headers["x-stamp"] = request.url.path
        return response


async def long(_: Request) -> Response:
    return PlainTextResponse(LONG_TEXT)


async def long_stream(_: Request) -> Response:
    return StreamingResponse(iter([LONG_TEXT, LONG_TEXT]), media_type="text/plain")


async def size(request: Request) -> Response:
    return JSONResponse({"size": request.state.size, "again": len(await request.body())})


def make_app(hosts: list[str]) -> Starlette:
    return Starlette(
        routes=[
            Route("/long", long),
            Route("/long-stream", long_stream),
            Route("/size", size, methods=["POST"]),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
            Middleware(HTTPSRedirectMiddleware),
            Middleware(Stamp),
            Middleware(GZipMiddleware, minimum_size=500),
        ],
    )
