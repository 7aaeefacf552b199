"""What the path of an API Gateway event has before the application's part of it: a stage, or a base path mapping."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bridge.sources._event_fields import lenient_object
from bridge.sources._path import has_prefix

if TYPE_CHECKING:
    from bridge._types import Event

__all__ = ["before_route", "has_custom_domain", "is_prefix", "stage_prefix"]

# A path parameter in a template such as "/orders/{id}/{rest+}".
_PARAMETER = r"\{([^{}+]+)\+?\}"


def stage_prefix(event: Event) -> str:
    """Return "/prod" for the stage "prod"; "" for a stage without a name."""
    stage = lenient_object(event, "requestContext").get("stage")
    return f"/{stage}" if isinstance(stage, str) and stage not in ("", "$default") else ""


def has_custom_domain(event: Event) -> bool:
    """Return whether the client used a domain name of the API's owner, where a mapping takes the place of the stage."""
    domain = lenient_object(event, "requestContext").get("domainName")
    return isinstance(domain, str) and domain != "" and ".execute-api." not in domain


def is_prefix(prefix: str) -> bool:
    """Return whether `prefix`, encoded or not, can be a stage, a mapping or nothing: those have no empty segments."""
    return "//" not in f"{unquote(prefix)}/"


def before_route(path: str, template: object, event: Event) -> str | None:
    """Return what `path` has before the part that `template` matched, such as "/orders/{id}".

    That is "" if there is nothing before it, and None if the event does not tell. `path` may be encoded or not, and so
    may the event's path parameters: REST APIs leave both encoded, HTTP APIs decode the parameters.
    """
    if not isinstance(template, str) or not template.startswith("/"):
        return None
    values = dict(lenient_object(event, "pathParameters"))

    def put_in(parameter: re.Match[str]) -> str:
        value = values.pop(parameter[1], None)  # a name occurs once in a template
        return value if isinstance(value, str) else parameter[0]

    # One pass: what was put in is the client's text, and is not searched again.
    tail, whole = re.sub(_PARAMETER, put_in, template).rstrip("/"), path.rstrip("/")
    spellings = [(tail, whole)]
    if "%" in whole or "%" in tail:
        decoded = unquote(whole)
        spellings += [(tail, decoded), (unquote(tail), decoded)]
    for end, text in spellings:
        prefix = text.removesuffix(end)
        # A mapping has no characters to decode.
        if text.endswith(end) and is_prefix(prefix) and has_prefix(path, prefix):
            return prefix
    return None
