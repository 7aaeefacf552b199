"""A Django site with its admin, sessions, CSRF protection, and static files from WhiteNoise, as a WSGI application.

Its database is in memory, and belongs to the thread that made it: that of this import.
"""

from typing import Any

import django  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.core.management import call_command  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse  # type: ignore[import-untyped]

CONTRIB = "django.contrib"

settings.configure(
    SECRET_KEY="of the test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PASSWORD_HASHERS=[f"{CONTRIB}.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        f"{CONTRIB}.{name}" for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        f"{CONTRIB}.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        f"{CONTRIB}.auth.middleware.AuthenticationMiddleware",
        f"{CONTRIB}.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    f"{CONTRIB}.auth.context_processors.auth",
                    f"{CONTRIB}.messages.context_processors.messages",
                ]
            },
        }
    ],
    STATIC_URL="/prod/static/",  # as the client sees it
    WHITENOISE_STATIC_PREFIX="/static/",  # as the application does
    WHITENOISE_USE_FINDERS=True,
    WHITENOISE_AUTOREFRESH=True,
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)

from django.contrib import admin  # type: ignore[import-untyped]  # noqa: E402
from django.contrib.auth.models import User  # type: ignore[import-untyped]  # noqa: E402
from django.urls import path  # type: ignore[import-untyped]  # noqa: E402

User.objects.create_superuser("ada", password="of the test")


def count(request: HttpRequest) -> JsonResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "url": request.build_absolute_uri()})


async def users(request: HttpRequest) -> JsonResponse:
    """Show that an async view has the database: Django runs it on an event loop of its own."""
    return JsonResponse({"users": [user.username async for user in User.objects.all()]})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse((f"{user.username}\n" for user in User.objects.all()), content_type="text/plain")


urlpatterns: list[Any] = [
    path("admin/", admin.site.urls),
    path("count", count),
    path("users", users),
    path("stream", stream),
]
app = get_wsgi_application()
