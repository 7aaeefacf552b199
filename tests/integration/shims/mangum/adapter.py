"""`Mangum(app, ...)` as a `Bridge`. Each argument becomes its counterpart, as docs/peer-suites.md has them."""

from collections.abc import Sequence
from typing import Any

from bridge import DEFAULT_SOURCES, Bridge, ConfigurationError, Settings

from .custom import source_of
from .spelling import application_of, as_json, result_of
from .types import ASGI, LambdaConfig, LambdaContext, LambdaEvent

__all__ = ["DEFAULT_TEXT_MIME_TYPES", "Mangum"]

DEFAULT_TEXT_MIME_TYPES = [
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/vnd.api+json",
    "application/vnd.oai.openapi",
]


class Mangum:
    """One `Bridge` for each call, which ends with it: Mangum runs the lifespan for each call, `Bridge` once."""

    def __init__(
        self,
        app: ASGI,
        lifespan: Any = "auto",
        api_gateway_base_path: str = "/",
        custom_handlers: Sequence[type[Any]] = (),
        text_mime_types: list[str] | None = None,
        exclude_headers: Sequence[str] = (),
    ) -> None:
        self.app = app
        self.lifespan = lifespan
        self.custom_handlers = custom_handlers
        self.config = LambdaConfig(
            api_gateway_base_path=api_gateway_base_path,
            text_mime_types=text_mime_types or [*DEFAULT_TEXT_MIME_TYPES],
            exclude_headers=[name.lower() for name in exclude_headers],
        )
        try:
            Bridge(app, lifespan=lifespan)
        except ConfigurationError as exc:
            raise ConfigurationError(_in_mangums_words(exc)) from exc

    def __call__(self, event: LambdaEvent, context: LambdaContext) -> Any:
        handler = Bridge(
            application_of(self.app, event, self.config["exclude_headers"]),
            lifespan=self.lifespan,
            sources=[*(source_of(kind, context, self.config) for kind in self.custom_handlers), *DEFAULT_SOURCES],
            settings=settings_of(self.config),
        )
        try:
            return result_of(handler(as_json(event), context))
        finally:
            handler.close()


def settings_of(config: LambdaConfig) -> Settings:
    base_path = config["api_gateway_base_path"].strip("/")
    types = tuple(name + "*" if name.endswith("/") else name for name in config["text_mime_types"])
    return Settings(base_path="/" + base_path, stage="strip", text_media_types=types)


def _in_mangums_words(exc: ConfigurationError) -> str:
    choices = "'auto', 'on' or 'off'"
    assert choices in str(exc), exc
    return "Invalid argument supplied for `lifespan`. Choices are: auto|on|off"
