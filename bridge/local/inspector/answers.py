"""Requests and responses of the inspector, as HTTP has them: forms, pages, downloads, and the page's own files."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from bridge.local.bodies import read_up_to
from bridge.local.inspector.elements import Markup
from bridge.local.inspector.page import message_page
from bridge.testing.messages import Refused

__all__ = ["base_of", "download", "failed", "form_of", "html", "refusal", "static_file"]

_STATIC = Path(__file__).parent / "static"
_FILES = ("icon.svg", "inspector.css", "inspector.js")

# In bytes: three times an event of 6 MB, which a form makes longer.
_MAX_FORM = 20 << 20

_FIELDS = 50

_TITLES = {400: "Not possible", 404: "Not found", 405: "Not possible", 409: "Not possible", 413: "Too long"}


def base_of(request: Request) -> str:
    """Return the path that the inspector is mounted at."""
    path: str = request.scope.get("root_path", "")
    return path


def html(markup: Markup, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # JSON can have halves of characters, which UTF-8 does not have.
    return HTMLResponse(markup.encode("utf-8", "backslashreplace"), status, headers)


async def failed(request: Request, exc: Exception) -> Response:
    """Return the page of what cannot be answered. An error of the inspector itself is in the terminal, too."""
    if isinstance(exc, HTTPException):
        status, text, headers = exc.status_code, exc.detail, dict(exc.headers or {})
    else:
        status, text, headers = 500, "The inspector itself failed. The terminal has the traceback.", {}
    phrase = HTTPStatus(status).phrase
    if text == phrase:
        text = "This page does not exist." if status == 404 else f"This page does not answer {request.method}."
    return html(message_page(_TITLES.get(status, phrase), text, base=base_of(request)), status, headers)


def refusal(exc: Refused) -> str:
    """Return what a service said of a request that the function did not get."""
    reasons = " ".join(exc.response.reasons)
    return f"The service itself refused the request with status {exc.response.status}. {reasons}".rstrip()


def download(name: str, content: bytes) -> Response:
    # Never as a type that a browser shows: the content is a client's or a function's.
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


async def static_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_STATIC / name)


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises HTTPException for one that is too long."""
    content = await read_up_to(request, _MAX_FORM)
    if len(content) > _MAX_FORM:
        raise HTTPException(413, f"Expected a form of at most {_MAX_FORM:,} bytes.")
    try:
        return dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError as exc:
        raise HTTPException(400, str(exc)) from None
