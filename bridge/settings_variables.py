"""The environment variables that have a meaning here, and the warning about those that have none.

Lambda Web Adapter's names: https://aws.github.io/aws-lambda-web-adapter/configuration/environment-variables.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KNOWN", "NOT_SUPPORTED", "warn_of", "warn_of_needs", "warn_of_other_runtime"]

logger = logging.getLogger("bridge")

# Whatever part of the package reads them.
KNOWN = frozenset(
    {
        "ASYNC_INIT",
        "AWS_LWA_ASYNC_INIT",
        "AWS_LWA_AUTHORIZATION_SOURCE",
        "AWS_LWA_ENABLE_COMPRESSION",
        "AWS_LWA_ERROR_STATUS_CODES",
        "AWS_LWA_HOST",
        "AWS_LWA_INVOKE_MODE",
        "AWS_LWA_LAMBDA_RUNTIME_API_PROXY",
        "AWS_LWA_PASS_THROUGH_PATH",
        "AWS_LWA_POOL_IDLE_TIMEOUT_SECONDS",
        "AWS_LWA_PORT",
        "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS",
        "AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS",
        "AWS_LWA_READINESS_CHECK_PATH",
        "AWS_LWA_READINESS_CHECK_PORT",
        "AWS_LWA_READINESS_CHECK_PROTOCOL",
        "AWS_LWA_READINESS_CHECK_TIMEOUT_SECONDS",
        "AWS_LWA_REMOVE_BASE_PATH",
        "AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH",
        "AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH",
        "BRIDGE_ACCESS_LOG",
        "BRIDGE_APP",
        "BRIDGE_BACKGROUND_LIMIT",
        "BRIDGE_BATCH",
        "BRIDGE_BATCH_CONCURRENCY",
        "BRIDGE_CONTEXT_HEADERS",
        "BRIDGE_DEADLINE_MARGIN",
        "BRIDGE_EXTENSION",
        "BRIDGE_MODE",
        "BRIDGE_OPEN_PASS_THROUGH_PATH",
        "BRIDGE_OPEN_WEBSOCKET_PATH",
        "BRIDGE_ROOT_PATH",
        "BRIDGE_STAGE",
        "BRIDGE_TEXT_MEDIA_TYPES",
        "BRIDGE_TRUST_FORWARDED_HOST",
        "BRIDGE_UDS",
        "BRIDGE_WEBSOCKET_PATH",
        "BRIDGE_WORKERS",
        "READINESS_CHECK_MIN_UNHEALTHY_STATUS",
        "READINESS_CHECK_PATH",
        "READINESS_CHECK_PORT",
        "READINESS_CHECK_PROTOCOL",
        "REMOVE_BASE_PATH",
    }
)

# Lambda Web Adapter's that have no meaning here, and what to do instead.
NOT_SUPPORTED = {
    "AWS_LWA_ENABLE_TLS": "The connection to the web server does not leave this machine.",
    "AWS_LWA_TLS_CERT_FILE": "The connection to the web server does not leave this machine.",
    "AWS_LWA_TLS_SERVER_NAME": "The connection to the web server does not leave this machine.",
}

# Read by `python -m bridge.runtime`, and not by AWS's own runtime client.
_RUNTIME_ALONE = ("AWS_LWA_LAMBDA_RUNTIME_API_PROXY", "BRIDGE_BACKGROUND_LIMIT", "BRIDGE_EXTENSION", "BRIDGE_WORKERS")

# The longest name that is logged, in characters.
_MAX_NAME = 100

_warned: set[str] = set()


def warn_of(names: Iterable[str]) -> None:
    """Log each of `names` that has no meaning here, unless it was logged before."""
    for name in sorted(set(names) - KNOWN - _warned):
        _warned.add(name)
        shown = ascii(name[:_MAX_NAME])[1:-1]
        if name in NOT_SUPPORTED:
            logger.warning("%s is set, but has no effect: it is not supported. %s", shown, NOT_SUPPORTED[name])
        else:
            logger.warning("%s is set, but has no effect here: there is no such variable. %s", shown, _advice(name))


def warn_of_needs(environ: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Log each variable that has no effect without another one, unless it was logged before."""
    slots = environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1")
    needs = {
        "BRIDGE_APP": (settings["mode"] == "proxy", "BRIDGE_MODE=proxy"),
        "BRIDGE_BATCH_CONCURRENCY": (settings["batch"] == "per-record", "BRIDGE_BATCH=per-record"),
        "BRIDGE_OPEN_PASS_THROUGH_PATH": (settings["pass_through_path"], "AWS_LWA_PASS_THROUGH_PATH"),
        "BRIDGE_OPEN_WEBSOCKET_PATH": (settings["websocket_path"], "BRIDGE_WEBSOCKET_PATH"),
        "BRIDGE_WORKERS": (
            slots != "1" or environ.get("BRIDGE_WORKERS") == "1",
            "AWS_LAMBDA_MAX_CONCURRENCY, which Lambda sets on Managed Instances",
        ),
    }
    for name, (has_it, need) in needs.items():
        if name in environ and not has_it and name not in _warned:
            _warned.add(name)
            logger.warning("%s is set, but has no effect: it needs %s.", name, need)


def warn_of_other_runtime(environ: Mapping[str, str]) -> None:
    """Log each variable that only our own runtime reads, under another one, unless it was logged before."""
    for name in _RUNTIME_ALONE:
        if name in environ and name not in _warned:
            _warned.add(name)
            logger.warning("%s is set, but has no effect: only `python -m bridge.runtime` reads it.", name)


def _advice(name: str) -> str:
    from bridge._advice import similar_name  # only a name that is misspelt needs it

    # In reverse order, so that of two that differ in their prefix alone the one of Lambda Web Adapter's counts.
    names = {_without_prefix(known): known for known in sorted([*KNOWN, *NOT_SUPPORTED], reverse=True)}
    similar = similar_name(_without_prefix(name[:_MAX_NAME].upper()), names)
    if not similar:
        return "The documentation lists the variables of bridge. If another program reads it, ignore this."
    meant = names[similar]
    if meant in NOT_SUPPORTED:
        return f"Lambda Web Adapter has {meant}, which is not supported here. {NOT_SUPPORTED[meant]}"
    return f"Did you mean {meant}?"


def _without_prefix(name: str) -> str:
    """Return what distinguishes a name: with their prefixes most names would be similar."""
    return name.removeprefix("BRIDGE_").removeprefix("AWS_LWA").lstrip("_")
