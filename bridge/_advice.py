"""Advice about a name that does not exist: what was probably meant, or what other adapters' arguments are called here.

Mangum 0.22, apig-wsgi 2.20, and the arguments of one handler that another one does not have. Only errors need it.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OTHERS", "advice_on_argument", "similar_name"]

# How much of a name must agree with a known one: 1 is all of it.
_SIMILAR = 0.7

# The longest name that is compared, in characters: a comparison takes more than linear time.
_MAX_NAME = 100

_BINARY = "What is not text is always sent as base64; text_media_types adds types that are text."

# What takes the place of an argument. Each is looked up only where it is not an argument itself.
OTHERS = {
    "api_gateway_base_path": "Mangum's api_gateway_base_path is base_path here.",
    "text_mime_types": "Mangum's text_mime_types is text_media_types here: it adds to the types that are text already.",
    "custom_handlers": "Mangum's custom_handlers is sources here: sources=[own, *bridge.DEFAULT_SOURCES].",
    "exclude_headers": (
        "Mangum's exclude_headers has no counterpart: every header of the response is the application's. "
        "Remove it in a middleware of the application."
    ),
    "lifespan": "Only Bridge has it: a transport, or a web server, runs the lifespan of its own application.",
    "interface": "Only Bridge has it: it tells whether the application is ASGI or WSGI.",
    "snapshot": "Only Bridge has it: a transport, or a web server, is opened before the snapshot.",
    "binary_support": f"apig-wsgi's binary_support has no counterpart. {_BINARY}",
    "non_binary_content_type_prefixes": "apig-wsgi's non_binary_content_type_prefixes is text_media_types here.",
    **dict.fromkeys(
        ("command", "url", "host", "port", "uds", "healthy_status", "async_init", "pool_idle_timeout"),
        "Only Proxy has it: it is about a web server.",
    ),
}


def advice_on_argument(name: str, known: Iterable[str]) -> str:
    """Return a sentence for the error about an argument called `name`, where there are only the `known` ones."""
    if name in OTHERS:
        return OTHERS[name]
    similar = similar_name(name, known)
    return f"Did you mean {similar}?" if similar else f"Expected one of {', '.join(sorted(known))}."


def similar_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`; "" if there is none."""
    return next(iter(get_close_matches(name[:_MAX_NAME], list(known), n=1, cutoff=_SIMILAR)), "")
