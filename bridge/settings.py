"""Every setting, and the only place that reads environment variables.

An explicit argument beats the environment, the environment beats the default. Names that Lambda Web Adapter has mean
here what they mean there; names of our own start with BRIDGE_.
"""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bridge.errors import ConfigurationError

__all__ = ["Settings", "StageMode", "in_lambda"]

logger = logging.getLogger("bridge")

StageMode = Literal["root_path", "strip"]

# Patterns are compiled when a setting needs them: most environments set nothing.
# A path prefix in whole segments: "/api", "/api/v1". No query, no fragment, no white space.
_PREFIX = r"(/[^/?#\s]+)+"

# RFC 9110, 8.3.1 and RFC 6838, 4.2; "*" may stand for a whole type or lead a structured suffix: "text/*", "*/*+json".
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"
_MEDIA_TYPE = rf"{_NAME}/(?:\*|(?:\*\+)?{_NAME})|\*/\*\+{_NAME}"


def in_lambda(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a Lambda execution environment, whose init phase is going on or over."""
    return bool(environ.get("AWS_LAMBDA_RUNTIME_API"))


def _from_environment(*names: str, parse: Callable[[str], Any] = str, default: Any = None) -> Any:
    """The first of `names` that is set, parsed; all but the first are deprecated."""

    def read() -> Any:
        for name in names:
            value = os.environ.get(name)
            if value is not None:
                if name != names[0]:
                    logger.warning("%s is deprecated: use %s instead.", name, names[0])
                return parse(value)
        return default

    return field(default_factory=read)


def _split(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How events become requests and responses become results. Frozen; compared by value.

    `base_path` (AWS_LWA_REMOVE_BASE_PATH): a prefix, in whole segments, that the event's path has and the application
    must not see: with "/api", "/api/users" arrives as "/users" and "/apiary" as it is. Stripped once. The path in the
    event of an HTTP API begins with its stage, if that has a name.

    `root_path` (BRIDGE_ROOT_PATH): the prefix under which clients reach the application when the event does not tell,
    such as the API mapping of an HTTP API's custom domain. It becomes the scope's `root_path`, and `path` includes it;
    a path that begins with it already is left as it is.

    `stage` (BRIDGE_STAGE): "root_path" puts the API stage in `root_path` and `path`, so that `request.url` is the URL
    that the client used; "strip" leaves it out of both, for applications that do not know `root_path`.

    `text_media_types` (BRIDGE_TEXT_MEDIA_TYPES, separated by commas): more media types whose bodies are text, such as
    "application/x-ndjson", "chemical/*" or "*/*+toml". What is not text is sent to AWS as base64; a body that is not
    UTF-8 always is.

    Raises ConfigurationError, which names the setting, its value and what is accepted.
    """

    base_path: str = _from_environment("AWS_LWA_REMOVE_BASE_PATH", "REMOVE_BASE_PATH", default="")
    root_path: str = _from_environment("BRIDGE_ROOT_PATH", default="")
    stage: StageMode = _from_environment("BRIDGE_STAGE", default="root_path")
    text_media_types: tuple[str, ...] = _from_environment("BRIDGE_TEXT_MEDIA_TYPES", parse=_split, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_path", _prefix("base_path (AWS_LWA_REMOVE_BASE_PATH)", self.base_path))
        object.__setattr__(self, "root_path", _prefix("root_path (BRIDGE_ROOT_PATH)", self.root_path))
        object.__setattr__(self, "text_media_types", _media_types(self.text_media_types))
        if self.stage not in get_args(StageMode):
            raise _refusal("stage (BRIDGE_STAGE)", self.stage, "'root_path' or 'strip'")


def _prefix(name: str, value: object) -> str:
    """`value` without the slash at its end; "" and "/" both mean that there is no prefix."""
    if value is None or value in ("", "/"):
        return ""
    if isinstance(value, str) and re.fullmatch(_PREFIX, prefix := value.removesuffix("/")):
        return prefix
    raise _refusal(name, value, "a path of whole segments that starts with a slash, such as '/api'")


def _media_types(values: object) -> tuple[str, ...]:
    name = "text_media_types (BRIDGE_TEXT_MEDIA_TYPES)"
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise _refusal(name, values, "a sequence of media types, such as ['application/x-ndjson']")
    values = tuple(values)
    for value in values:
        if not isinstance(value, str) or not re.fullmatch(_MEDIA_TYPE, value):
            raise _refusal(name, value, "'type/subtype', 'type/*' or '*/*+suffix', without parameters")
    return tuple(value.lower() for value in values)


def _refusal(name: str, value: object, accepted: str) -> ConfigurationError:
    return ConfigurationError(f"The setting {name} is {value!r}; expected {accepted}.")
