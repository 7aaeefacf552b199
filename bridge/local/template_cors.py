"""The CORS settings of a template, in the three forms that there are.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-httpapi-httpapicorsconfiguration.html
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-api-corsconfiguration.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-lambda-url-cors.html
"""

from __future__ import annotations

from typing import Any

from bridge.local.settings import Cors

__all__ = ["cors_of", "rest_cors_of"]


def cors_of(value: Any) -> Cors | None:
    """Return the settings of an HTTP API or a Function URL: an object, one origin, or true for all of them."""
    if value is True:
        return Cors(allow_origins=("*",))
    if isinstance(value, str):
        return Cors(allow_origins=(value,))
    if not isinstance(value, dict):
        return None
    return Cors(
        allow_origins=_texts(value.get("AllowOrigins")),
        allow_methods=_texts(value.get("AllowMethods")),
        allow_headers=_texts(value.get("AllowHeaders")),
        expose_headers=_texts(value.get("ExposeHeaders")),
        max_age=_number(value.get("MaxAge")),
        allow_credentials=value.get("AllowCredentials") is True,
    )


def rest_cors_of(value: Any) -> Cors | None:
    """Return the settings of a REST API, whose texts are in quotes of their own: "'*'"."""
    if isinstance(value, str):
        value = {"AllowOrigin": value}
    if not isinstance(value, dict):
        return None
    return Cors(
        allow_origins=_quoted(value.get("AllowOrigin")),
        allow_methods=_quoted(value.get("AllowMethods"))
        or ("OPTIONS", "GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"),
        allow_headers=_quoted(value.get("AllowHeaders")),
        max_age=_number(str(value.get("MaxAge", "")).strip("'")),
        allow_credentials=value.get("AllowCredentials") is True,
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _quoted(value: Any) -> tuple[str, ...]:
    return (value.strip("'"),) if isinstance(value, str) and value.strip("'") else ()


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
