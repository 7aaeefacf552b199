from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import django  # type: ignore[import-untyped]
from asgiref.sync import sync_to_async
from django.conf import settings  # type: ignore[import-untyped]
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
from django.http import (  # type: ignore[import-untyped]
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path, reverse  # type: ignore[import-untyped]
from django.views.static import serve  # type: ignore[import-untyped]

from .views import EXPIRES, endless_parts, gated_parts, three_parts, upload_report

__all__ = ["make_app"]


def item(_: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse({"name": name})


async def query(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"pairs": [(key, value) for key, values in request.GET.lists() for value in values]})


async def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"pairs": [(key, value) for key, values in request.POST.lists() for value in values]})


async def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    content = file.read()
    return JsonResponse(upload_report(request.POST["title"], file.name, file.content_type, content))


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.headers["content-type"])


async def seen(request: HttpRequest) -> HttpResponse:
    headers = sorted((name.lower(), value) for name, value in request.headers.items())
    return JsonResponse({"headers": headers, "client": request.META["REMOTE_ADDR"], "scheme": request.scheme})


async def cookies(request: HttpRequest) -> HttpResponse:
    response = JsonResponse({"cookies": request.COOKIES})
    response.set_cookie("theme", "dark", expires=EXPIRES)
    response.set_cookie("visit", "1", httponly=True)
    return response


async def url(request: HttpRequest) -> HttpResponse:
    link = request.build_absolute_uri(reverse("item", kwargs={"name": "tea"}))
    return JsonResponse({"url": request.build_absolute_uri(), "link": link})


async def moved(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(request.build_absolute_uri(reverse("item", kwargs={"name": "tea"})))


async def slashed(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"slashed": True})


async def stream(_: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(three_parts(), content_type="text/plain; charset=utf-8")


async def gate(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(gated_parts(request.scope["aws.context"]), content_type="text/plain; charset=utf-8")


async def endless(_: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(endless_parts(settings.JOURNAL), content_type="text/plain; charset=utf-8")


async def static(request: HttpRequest, name: str) -> HttpResponse:
    response = await sync_to_async(serve)(request, name, document_root=settings.FILES)
    if response.streaming:
        response.streaming_content = _in_thread(response.streaming_content)
    return response


async def _in_thread(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """As Django's own ASGIStaticFilesHandler does: FileResponse has no asynchronous iterator."""
    for part in await sync_to_async(_all)(parts):
        yield part


def _all(parts: Iterable[bytes]) -> list[bytes]:
    return list(parts)


async def boom(_: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


_VIEWS: list[Callable[..., Any]] = [
    query, form, upload, echo, seen, cookies, url, moved, stream, gate, endless, boom,
]  # fmt: skip

urlpatterns = [
    path("items/<str:name>", item, name="item"),
    path("slashed/", slashed),
    path("static/<path:name>", static),
    *[path(view.__name__, view) for view in _VIEWS],
]


def make_app(files: Path, journal: list[str]) -> Any:
    """Django's settings are the process's: the first call makes them, and `files` and `journal` are the last call's."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DEFAULT_CHARSET="utf-8",
            LOGGING_CONFIG=None,
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
            ROOT_URLCONF=__name__,
            SECRET_KEY="not a secret",
            USE_TZ=True,
        )
        django.setup()
    settings.FILES, settings.JOURNAL = files, journal
    return get_asgi_application()
